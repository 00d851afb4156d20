"""Find, prove, fix and write up profile photos that drift between SharePoint, MIM and Active Directory."""

__version__ = "0.1.0"

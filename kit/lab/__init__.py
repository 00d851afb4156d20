"""The practice farm: directory, SharePoint and MIM on loopback, over their real wire protocols."""

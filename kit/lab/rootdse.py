"""What a domain controller says of itself to everybody."""

from __future__ import annotations

from kit.lab.paging import PAGED_RESULTS, SHOW_DELETED
from kit.lab.tree import Record, Tree, format_time

START_TLS = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 4.14.1
_ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"  # LDAP_CAP_ACTIVE_DIRECTORY_OID, MS-ADTS 3.1.1.3.4.3


def rootdse(tree: Tree) -> Record:
    """Return the rootDSE of now (MS-ADTS 3.1.1.3.2)."""
    domain, configuration = tree.domain, tree.configuration_dn.encode()
    base, host = domain.base_dn.encode(), f"dc1.{domain.dns_name}"
    attributes = {
        "configurationNamingContext": [configuration],
        "currentTime": [format_time(tree.clock.now())],
        "defaultNamingContext": [base],
        "dnsHostName": [host.encode()],
        "domainControllerFunctionality": [b"7"],  # Windows Server 2016, MS-ADTS 3.1.1.3.2.25
        "dsServiceName": [tree.controller.distinguished_name.encode()],
        "highestCommittedUSN": [b"%d" % tree.highest_usn],
        "ldapServiceName": [f"{domain.dns_name}:dc1$@{domain.dns_name.upper()}".encode()],
        "namingContexts": [base, configuration],
        "objectClass": [b"top"],
        "rootDomainNamingContext": [tree.forest[0].base_dn.encode()],
        "supportedCapabilities": [_ACTIVE_DIRECTORY],
        "supportedControl": [PAGED_RESULTS, SHOW_DELETED],
        "supportedExtension": [START_TLS],
        "supportedLDAPVersion": [b"3"],
    }
    return Record("", attributes)

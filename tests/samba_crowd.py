"""Copies one user of a Samba domain many times, in a few seconds; run by the Python that samba-tool runs on.

Over LDAP, or through Samba's own modules, every user costs more than the one before: all of an index's
entries are copied for each. Below the modules, and with the indexes made anew at the end, thousands take
seconds. The domain controller may be running.

    python3 samba_crowd.py FOLDER ACCOUNT_NAME HOW_MANY
"""

import struct
import sys
import uuid
from pathlib import Path

import ldb
from samba import Ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

HIGH_RELATIVE_ID = 1_000_000


def main(folder: Path, account_name: str, count: int) -> None:
    settings = LoadParm()
    settings.load(str(folder / "etc" / "smb.conf"))
    (partition,) = (folder / "private" / "sam.ldb.d").glob("DC=*.ldb")
    database = Ldb(str(partition), lp=settings, options=["modules:"])
    database.transaction_start()
    indexes = database.search(base="@INDEXLIST", scope=ldb.SCOPE_BASE)[0]
    names = list(indexes["@IDXATTR"])
    set_indexes(database, [])
    (template,) = database.search(expression=f"(sAMAccountName={account_name})")
    for number in range(1, count + 1):
        database.add(copy(database, template, account_name, number))
    set_indexes(database, names)
    database.transaction_commit()
    index_again(
        SamDB(str(folder / "private" / "sam.ldb"), session_info=system_session(settings), lp=settings)
    )


def set_indexes(database, names):
    change = ldb.Message(ldb.Dn(database, "@INDEXLIST"))
    change["names"] = ldb.MessageElement(names, ldb.FLAG_MOD_REPLACE, "@IDXATTR")
    change["levels"] = ldb.MessageElement([b"1"] if names else [], ldb.FLAG_MOD_REPLACE, "@IDXONE")
    database.modify(change)


def copy(database, template, account_name, number):
    """Return the template under another name, with identifiers of its own and an old sequence number."""
    name = f"{account_name}-{number}"
    new = ldb.Message(ldb.Dn(database, f"CN={name},{template.dn.parent()}"))
    for attribute in template:
        if attribute.lower() not in {"dn", "distinguishedname"}:
            new[attribute] = template[attribute]
    oldest = int(str(template["uSNChanged"])) - 1
    own = {
        "cn": name,
        "name": name,
        "sAMAccountName": name,
        "userPrincipalName": f"{name}@contoso.example",
        "objectGUID": uuid.uuid4().bytes_le,
        "objectSid": bytes(template["objectSid"][0])[:-4] + struct.pack("<I", HIGH_RELATIVE_ID + number),
        "uSNCreated": str(number % oldest + 1),
        "uSNChanged": str(number % oldest + 1),
    }
    for attribute, value in own.items():
        new[attribute] = ldb.MessageElement([value], 0, attribute)
    return new


def index_again(database):
    """Make all indexes anew, through Samba's modules: only they know how each attribute is compared."""
    change = ldb.Message(ldb.Dn(database, "@ATTRIBUTES"))
    change["add"] = ldb.MessageElement("NONE", ldb.FLAG_MOD_ADD, "force_reindex")
    change["delete"] = ldb.MessageElement("NONE", ldb.FLAG_MOD_DELETE, "force_reindex")
    database.modify(change, validate=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

"""A csexport file of any size, made while it is read; as a program, reads one and says what that took."""

from __future__ import annotations

import base64
import io
import json
import resource
import sys
import time
from pathlib import Path

from kit.csexport import pending_exports, read_csexport

_PHOTO = base64.b64encode(bytes(range(256)) * 20).decode()  # 5 KiB, as many photos in a directory have
_ATTRIBUTE = (
    '<attr name="thumbnailPhoto"{operation} type="binary" multivalued="false">'
    f'<value encoding="base64">{_PHOTO}</value></attr>'
)
_OBJECT = (
    '<cs-object cs-dn="CN=Person %d,OU=Staff,DC=contoso,DC=example" id="{G}" object-type="user">'
    '<unapplied-export><delta operation="update" dn="CN=Person">'
    + _ATTRIBUTE.format(operation=' operation="replace"')
    + "</delta></unapplied-export><connector>1</connector><ma-name>ADMA</ma-name>"
    "<domain-name>CONTOSO</domain-name><account-name>person%d</account-name></cs-object>\n"
).encode()


class GeneratedFile(io.RawIOBase):
    """So many objects with a photo to be exported, of which never more than one chunk exists."""

    def __init__(self, count: int) -> None:
        self._numbers = iter(range(count))
        self._ready = bytearray(b"<cs-objects>\n")
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; empty at the end."""
        while len(self._ready) < size and not self._ended:
            number = next(self._numbers, None)
            self._ended = number is None
            self._ready += b"</cs-objects>" if number is None else _OBJECT % (number, number)
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken


def main(count: int) -> dict[str, float]:
    """Read a file of so many objects; return objects, seconds, and the peak of resident memory in MiB."""
    began = time.perf_counter()
    found = sum(1 for _ in pending_exports(read_csexport(GeneratedFile(count))))
    return {"objects": found, "seconds": time.perf_counter() - began, "peak": peak()}


def peak() -> float:
    """Return the most resident memory that this program had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent had when it started this program
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1])), sys.stdout)

"""``python3 -m kit COMMAND``: the entry point, which any Python from 3.6 on can read."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must get a sentence, not a SyntaxError
        found = "Python {}.{}".format(*sys.version_info)
        sys.exit(f"kit: {found} is too old: the kit needs 3.11 or newer; start it with a newer Python.")
    if not __package__:  # started as a folder, `python3 /path/to/kit`, whose modules must not shadow others
        sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from kit.bootstrap import main

    sys.exit(main(sys.argv[1:]))

"""Label Studio's own command, `label-studio`, with one setting that it cannot be told otherwise.

It begins transactions on SQLite as readers. One that then wants to write, while somebody else wrote in between, fails
at once ("database is locked"), and Label Studio sleeps 3, 6, 12, … seconds before it tries again: imports and `next`
were seen to stand still for 9 to 21 s beside two people at work. Begun as a writer, a transaction waits its turn.

Run by the Python of Label Studio's environment (with -P, since files beside this one have names of its packages).
"""

import os
import sys

import label_studio

BUSY_TIMEOUT_S = 20


def main() -> None:
    sys.path.insert(0, os.path.dirname(label_studio.__file__))  # as Label Studio itself does, for `core`
    from core.settings import base

    base.DATABASES_ALL[base.DJANGO_DB_SQLITE]["OPTIONS"] = {
        "timeout": BUSY_TIMEOUT_S,
        "transaction_mode": "IMMEDIATE",
    }
    from label_studio.server import main as run

    run()


if __name__ == "__main__":
    main()

"""Random faults over real campaigns: kills, frozen processes, cut lines, full disks, a Label Studio that has bad days.

    make chaos [ARGS='--database postgresql --faults 50 --campaigns 6 --seed 1']

Each campaign has a stack of its own, two people who answer, and an engineer who posts texts. After its faults it must
go on by itself, and nothing may be lost, doubled or half-written. Campaign `n` has the seed `seed + n`: that repeats
what happens and when, though not how far everything was by then. Disks are tmpfs mounts and need root; clocks need a
C compiler. Where a run fails its folder is kept.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from service.demo import encoder
from service.demo.docstrings import corpus
from service.settings import Settings
from service.store import dump
from service.store.database import Database
from tests.chaos import campaign, disk
from tests.chaos.clock import can_jump
from tests.chaos.faults import kinds, plan
from tests.chaos.site import Site

ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--faults", type=int, default=50, help="in each campaign")
    parser.add_argument("--campaigns", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds of faults, with commas between, such as kill,cut")
    arguments = parser.parse_args()
    of = kinds(arguments.database == "postgresql", disk.can_mount(), can_jump())
    if arguments.only:
        of = [one for one in of if one[0] in arguments.only.split(",")]
    for number in (signal.SIGINT, signal.SIGTERM):  # the mounts go with us
        signal.signal(number, signal.default_int_handler)
    texts, failed = corpus(seed=0, gold=200), 0
    for seed in range(arguments.seed, arguments.seed + arguments.campaigns):
        folder = Path(tempfile.mkdtemp(prefix="postil-chaos-"))
        print(f"{arguments.database}, seed {seed}, {arguments.faults} faults, in {folder}", flush=True)
        started = time.monotonic()
        try:
            with Site(
                Settings(data=str(ROOT / ".postil")), folder, seed, arguments.database == "postgresql"
            ) as site:
                try:
                    found = campaign.run(site, texts, encoder.path(), plan(seed, arguments.faults, of), seed)
                except BaseException:
                    _keep(site, folder / "kept")
                    raise
        except AssertionError as error:
            failed += 1
            print(f"seed {seed} FAILED: {error}", flush=True)
        else:
            shutil.rmtree(folder)
            print(f"seed {seed}: {found}, {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(1 if failed else 0)


def _keep(site: Site, folder: Path) -> None:
    shutil.copytree(site.data, folder, ignore=shutil.ignore_patterns(disk.BALLAST))
    (folder / "tables").mkdir()
    database = Database(site.stack.settings.database)
    with database.snapshot() as connection:
        dump.save(connection, folder / "tables")
    database.close()


if __name__ == "__main__":
    main()

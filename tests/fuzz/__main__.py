"""Bad input without end: every route from the API's description, and what reads uploads, guided by what it reaches.

    make fuzz [ARGS='--minutes 20 --seed 1']

Half of the time is schemathesis' against a real API, with a filled and an empty campaign; half is libFuzzer's, on the
parsers. Fails where a server error, a hang (20 s), an answer that its description does not allow, an error other than
Invalid or an API of more than 300 MiB was found; the folder with what led to it is kept.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from service.settings import Settings
from tests.fuzz import routes
from tests.server import MOST_MIB, serving

INPUT_S = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seconds = max(1, round(arguments.minutes * 30))
    folder = Path(tempfile.mkdtemp(prefix="postil-fuzz-"))
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    wrong = _routes(folder / "api", seconds, arguments.seed) + _lines(
        folder / "lines", seconds, arguments.seed
    )
    print("\n".join(wrong) or "nothing found")
    if wrong:
        sys.exit(1)
    shutil.rmtree(folder)


def _routes(folder: Path, seconds: int, seed: int) -> list[str]:
    with serving(folder, Settings(rate=0)) as server:
        told = routes.fuzz(server, seconds, seed)
        print(routes.summary(folder), f"API: {server.peak_mib:.0f} MiB at the most", sep="\n", flush=True)
        wrong = [told] if told else []
        wrong += [f"the API's log: {line}" for line in server.unforeseen]
        wrong += [f"the API died {server.restarts} times"] if server.restarts else []
        wrong += [f"the API took {server.peak_mib:.0f} MiB"] if server.peak_mib > MOST_MIB else []
        return wrong


def _lines(folder: Path, seconds: int, seed: int) -> list[str]:
    folder.mkdir()
    # The fuzzer's own memory grows with every run.
    limits = [f"-max_total_time={seconds}", f"-timeout={INPUT_S}", "-rss_limit_mb=4096"]
    command = [sys.executable, "-m", "tests.fuzz.lines", str(folder / "corpus"), *limits]
    command += [f"-seed={seed % 2**31 or 1}", f"-artifact_prefix={folder}/"]
    environ = {**os.environ, "PYTHONPATH": str(routes.ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environ)
    last = [line for line in ended.stderr.splitlines() if line.startswith("Done")]
    print(*last, flush=True)
    return [ended.stderr[-5_000:]] if ended.returncode else []


if __name__ == "__main__":
    main()

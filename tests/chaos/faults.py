"""What goes wrong, and when: a list that a seed repeats."""

import random
from dataclasses import dataclass

POSTIL = ("api", "worker-gpu", "worker-cpu", "worker-sync")
SERVERS = ("valkey", "label-studio", "database")
"""`database` is a process, and has a link, on PostgreSQL only."""
LINKS = ("valkey", "database")
STUDIO = ("500", "409", "done-500", "half", "hang")
HOOKS = ("lost", "doubled", "late")

GAP_S = (2.0, 6.0)
LASTS_S = (3.0, 10.0)
PAST_LEASE_S = 36.0
PAST_LEASE_SHARE = 0.3
JUMP_S = 7_200.0


@dataclass(frozen=True)
class Fault:
    """`kind` happens to `target`, `gap_s` after the one before it began, and is made good after `lasts_s`.

    kind        target
    kill        a process: SIGKILL
    restart     a process: SIGTERM
    freeze      a process: SIGSTOP, then SIGCONT
    empty       valkey: it loses all that it holds
    cut, silent, slow   a link
    studio      one of STUDIO: how Label Studio answers Postil
    hooks       one of HOOKS: what becomes of webhooks
    full, read-only     `data`, `files`: the folder, and the file store in it
    jump        `clock`, by `by_s`: Postil's, and Label Studio's where that is forward; a PostgreSQL's stays
    """

    kind: str
    target: str
    gap_s: float
    lasts_s: float = 0.0
    by_s: float = 0.0

    def __str__(self) -> str:
        more = f" for {self.lasts_s:.0f} s" if self.lasts_s else ""
        return f"{self.kind} {self.target}{more}" + (f" by {self.by_s:+.0f} s" if self.by_s else "")


def kinds(postgresql: bool, disk: bool, clock: bool) -> list[tuple[str, str]]:
    """All that can go wrong; `disk` and `clock` where the machine lets us."""
    gone = set() if postgresql else {"database"}
    processes = [name for name in (*POSTIL, *SERVERS) if name not in gone]
    found = [(kind, name) for kind in ("kill", "restart", "freeze") for name in processes]
    found += [(kind, name) for kind in ("cut", "silent", "slow") for name in LINKS if name not in gone]
    found += [("studio", how) for how in STUDIO] + [("hooks", how) for how in HOOKS]
    found += [("empty", "valkey")] * 2
    if disk:
        found += [("full", "data"), ("full", "files"), ("read-only", "files")]
    if clock:
        found += [("jump", "clock")] * 2
    return found


def plan(seed: int, count: int, of: list[tuple[str, str]]) -> list[Fault]:
    """`count` faults: each of `of` once before any comes again, in an order and at moments of the seed."""
    rng = random.Random(seed)
    found: list[Fault] = []
    while len(found) < count:
        for kind, target in rng.sample(of, len(of)):
            gap_s, lasts_s, by_s = rng.uniform(*GAP_S), rng.uniform(*LASTS_S), rng.uniform(-JUMP_S, JUMP_S)
            if kind == "freeze" and target.startswith("worker") and rng.random() < PAST_LEASE_SHARE:
                lasts_s = PAST_LEASE_S
            momentary = kind in ("kill", "restart", "empty", "jump")
            found.append(
                Fault(kind, target, gap_s, 0.0 if momentary else lasts_s, by_s if kind == "jump" else 0.0)
            )
    return found[:count]

"""Strategies by name: the built-in ones and those of the entry-point group `postil.strategies`.

An entry point names a `Strategy` of the same name. Plug-ins are imported only when asked for, so that a
broken one harms nobody else; the name of a built-in strategy cannot be taken over.
"""

from importlib.metadata import EntryPoint, entry_points

from strategies.base import Strategy
from strategies.chance import RANDOM
from strategies.coverage import COVERAGE
from strategies.uncertainty import ENTROPY, LEAST_CONFIDENCE, MARGIN

GROUP = "postil.strategies"
BUILT_IN = {strategy.name: strategy for strategy in (RANDOM, COVERAGE, LEAST_CONFIDENCE, MARGIN, ENTROPY)}


def names() -> list[str]:
    """All names that `get` may be asked for, sorted; plug-ins are not imported for it."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def get(name: str) -> Strategy:
    """The strategy of that name; raises ValueError where there is none, or its plug-in is broken."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        raise ValueError(f"there is no strategy {name!r}; choose one of {', '.join(names())}")
    if len(points) > 1:
        givers = ", ".join(_giver(point) for point in points)
        raise ValueError(f"strategy {name!r} is given by {givers}: uninstall all but one")
    return _load(points[0])


def _load(point: EntryPoint) -> Strategy:
    where = f"plug-in strategy {point.name!r} ({point.value}, of {_giver(point)})"
    try:
        loaded = point.load()
    except Exception as error:
        raise ValueError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(loaded, Strategy):
        raise ValueError(f"{where} is a {type(loaded).__name__}, not a strategies.base.Strategy")
    if loaded.name != point.name:
        raise ValueError(f"{where} calls itself {loaded.name!r}: both names must be the same")
    return loaded


def _giver(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"

"""Strategies by name: the built-in ones and those of the entry-point group `postil.strategies`.

An entry point names a `Strategy` of the same name. Plug-ins are imported only when asked for, so that a
broken one harms nobody else; the name of a built-in strategy cannot be taken over.
"""

from importlib.metadata import EntryPoint, entry_points

from strategies.auto import AUTO
from strategies.badge import BADGE
from strategies.balanced import BALANCED_MARGIN
from strategies.base import Strategy
from strategies.cal import CAL
from strategies.chance import RANDOM
from strategies.cluster_margin import CLUSTER_MARGIN
from strategies.committee import BALD, VARIATION_RATIO
from strategies.cvirs import CVIRS
from strategies.density import DENSITY_MARGIN
from strategies.discovery import DISCOVERY
from strategies.diverse import DIVERSE_MARGIN, DIVERSE_MNLP, DIVERSE_UNCERTAINTY
from strategies.facility import FACILITY_LOCATION
from strategies.k_center import K_CENTER
from strategies.kmeans import KMEANS
from strategies.multi_label import MAX_UNCERTAINTY, MEAN_UNCERTAINTY
from strategies.power import POWER_BALD, POWER_ENTROPY, POWER_MARGIN
from strategies.prob_cover import PROB_COVER
from strategies.rare import RARE_UNCERTAINTY
from strategies.signal import SIGNAL
from strategies.tokens import MNLP, TOKEN_ENTROPY
from strategies.typiclust import TYPICLUST
from strategies.uncertainty import ENTROPY, LEAST_CONFIDENCE, MARGIN
from strategies.weighted import WEIGHTED

GROUP = "postil.strategies"
_ALL = (
    *(AUTO, RANDOM, TYPICLUST, K_CENTER, KMEANS, PROB_COVER, DISCOVERY),
    *(LEAST_CONFIDENCE, MARGIN, ENTROPY, BALD, VARIATION_RATIO, POWER_MARGIN, POWER_ENTROPY, POWER_BALD),
    *(FACILITY_LOCATION, DIVERSE_MARGIN, CLUSTER_MARGIN, DENSITY_MARGIN, BALANCED_MARGIN, BADGE, CAL),
    *(MEAN_UNCERTAINTY, MAX_UNCERTAINTY, DIVERSE_UNCERTAINTY, RARE_UNCERTAINTY, CVIRS),
    *(MNLP, TOKEN_ENTROPY, DIVERSE_MNLP, SIGNAL, WEIGHTED),
)
BUILT_IN = {strategy.name: strategy for strategy in _ALL}


def names(problem: str | None = None) -> list[str]:
    """All names that `get` may be asked for, or those fit for a problem, sorted.

    Plug-ins are not imported for it, so they are named whatever the problem.
    """
    plug_ins = {point.name for point in entry_points(group=GROUP)} - BUILT_IN.keys()
    fit = {name for name, strategy in BUILT_IN.items() if problem is None or problem in strategy.problems}
    return sorted(fit | plug_ins)


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

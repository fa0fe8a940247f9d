"""Lead times: how long people took for an answer, as far as a clock in a browser can be believed.

Label Studio's clock runs while a tab is open, and a program may send none. So of each lead time counts what is at most
TIMES the usual one, which is the median of the LATELY before it (winsorising, with a median in the place of a
quantile, since a few hours among seconds must not count: Tukey: The Future of Data Analysis, 1962); what is missing
counts as the usual one. It is settled once, when the answer comes in: what was spent does not change afterwards.
"""

from collections import deque
from collections.abc import Iterable
from math import isfinite
from statistics import median

TIMES = 5
LATELY = 50
FEW = 10
"""Until so many lead times are known, DEFAULT_S stands for each that is missing."""
DEFAULT_S = 15.0


class LeadTimes:
    """Those of one campaign as they come in."""

    def __init__(self, lately: Iterable[float] = ()) -> None:
        """`lately`: the newest that were told, oldest first."""
        self._lately = deque(lately, maxlen=LATELY)

    @property
    def usual(self) -> float:
        """Seconds."""
        return median([*self._lately, *[DEFAULT_S] * (FEW - len(self._lately))])

    def counted(self, lead_time: float | None) -> float:
        """The seconds that count of the next one; None, and what no clock can say, is a missing one."""
        usual = self.usual
        if not told(lead_time):
            return usual
        assert lead_time is not None
        self._lately.append(lead_time)
        return min(lead_time, TIMES * usual)


def told(lead_time: float | None) -> bool:
    """Whether it says anything: programs send 0, and a clock that was put back less."""
    return lead_time is not None and isfinite(lead_time) and lead_time > 0

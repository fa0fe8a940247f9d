"""Lead times, by hand."""

import pytest

from service.lead_times import DEFAULT_S, LATELY, TIMES, LeadTimes


def test_what_is_usual_is_the_median_and_until_ten_are_known_the_default_stands_in() -> None:
    assert LeadTimes().usual == DEFAULT_S == 15.0
    assert LeadTimes([2.0, 2.0, 2.0, 2.0]).usual == 15.0  # of 2 2 2 2 15 15 15 15 15 15
    assert LeadTimes([2.0, 2.0, 2.0, 2.0, 2.0]).usual == 8.5  # (2 + 15) / 2
    assert LeadTimes([float(one) for one in range(1, 11)]).usual == 5.5


def test_a_tab_that_was_left_open_counts_five_times_the_usual() -> None:
    times = LeadTimes([4.0] * 10)
    assert times.counted(3.0) == 3.0
    assert times.counted(20.0) == 20.0
    assert times.counted(7200.0) == TIMES * 4.0 == 20.0
    assert times.usual == 4.0


@pytest.mark.parametrize("missing", [None, 0.0, -3.0, float("nan"), float("inf")])
def test_what_no_clock_can_say_counts_as_usual_and_tells_nothing(missing: float | None) -> None:
    times = LeadTimes([4.0] * 10)
    assert [times.counted(missing) for _ in range(20)] == [4.0] * 20
    assert LeadTimes().counted(missing) == DEFAULT_S


def test_long_texts_are_believed_after_some_of_them() -> None:
    times = LeadTimes()
    # The usual is 15, and from the fifth on half of ten: (15 + 300) / 2.
    assert [times.counted(300.0) for _ in range(7)] == [75.0] * 5 + [300.0] * 2
    later = LeadTimes([2.0] * LATELY)
    counted = [later.counted(60.0) for _ in range(LATELY)]
    assert counted[:25] == [10.0] * 25
    assert counted[26:] == [60.0] * 24

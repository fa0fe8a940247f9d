from service import curve
from service.thinning import spread


def test_all_where_they_are_few() -> None:
    assert spread(0, 5) == []
    assert spread(5, 5) == [0, 1, 2, 3, 4]


def test_of_many_the_ends_and_more_of_the_beginning() -> None:
    """Of 1,000 four evenly, 0, 333, 666 and 999, and four that grow tenfold: the first, 10th, 100th and 1,000th."""
    assert spread(1000, 8) == [0, 9, 99, 333, 666, 999]
    assert len(spread(10_000, 100)) <= 100
    assert spread(10_000, 100)[-1] == 9_999


def test_a_point_comes_with_the_round_before_it_and_the_newest_are_all_there() -> None:
    needed, shown = curve.chosen(list(range(1, 1001)), 8)
    assert sorted(shown) == [1, 10, 100, 334, 667, 997, 998, 999, 1000]
    assert needed == [1, 9, 10, 99, 100, 333, 334, 666, 667, 996, 997, 998, 999, 1000]
    assert curve.chosen([2, 5], 8) == ([2, 5], frozenset({2, 5}))

"""The pure parts of a demo run; the whole of it is what `make demo` runs."""

import pytest

from service.cli.opening import free_name
from service.cli.session import embedded, line, patiently
from service.client import Unreachable
from service.demo.summary import RoundResult
from service.settings import Settings


def test_each_run_has_a_name_of_its_own() -> None:
    assert free_name("docstrings", set()) == "docstrings"
    assert free_name("docstrings", {"docstrings", "docstrings-3"}) == "docstrings-2"
    assert free_name("docstrings", {"docstrings", "docstrings-2"}) == "docstrings-3"


def test_the_demo_embeds_everything_and_shares_the_installed_label_studio() -> None:
    mine = Settings(
        data="here", redis_url="redis://other", label_studio_url="http://other", token="other", threads=3
    )

    own = embedded(mine)

    assert (own.data, own.threads) == ("here/demo", 3)
    assert (own.redis_url, own.label_studio_url, own.token, own.database_url) == ("", "", "", "")
    assert own.label_studio_venv.endswith("/here/venvs/label-studio-1.23.2")


def test_a_round_in_one_line() -> None:
    done = RoundResult(2, 100, 0.691, 0.6617, 0.7189, 0.69, 83.3, 8.24)
    unmeasured = RoundResult(1, 50, None, None, None, None, 4.0, None)
    assert line(done) == (
        "round 2: 100 labels, accuracy 0.691 [0.662, 0.719], logistic regression on the same labels 0.690, "
        "trained in 83 s, scored in 8.2 s"
    )
    assert line(unmeasured) == "round 1: 50 labels, nothing measures yet, trained in 4.0 s, scored in –"


def test_an_api_that_is_away_for_a_moment_is_waited_for() -> None:
    answers = iter([Unreachable("away"), Unreachable("away"), 7])

    def call() -> int:
        answer = next(answers)
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    assert patiently(call, seconds=60) == 7

    def away() -> int:
        raise Unreachable("away for good")

    with pytest.raises(Unreachable, match="for good"):
        patiently(away, seconds=0)

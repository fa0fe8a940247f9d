"""Numbers in words."""

from service.cli import output


def test_shares_and_differences_carry_their_interval() -> None:
    assert output.share({"value": 0.7116, "low": 0.684, "high": 0.739}) == "0.712 [0.68, 0.74]"
    assert output.change({"value": 0.05, "low": -0.004, "high": 0.104}) == "+0.050 [-0.00, +0.10]"
    assert (output.share(None), output.change(None)) == ("–", "–")


def test_time_spans() -> None:
    spans = [None, 0.04, 8.26, 75.4, 200.0, 9000.0]
    assert [output.seconds(span) for span in spans] == ["–", "0.0 s", "8.3 s", "75 s", "3 min", "2.5 h"]


def test_an_events_data_is_one_line() -> None:
    data = {"at": 1.0, "round": 3, "trained_on": 150, "accuracy": 0.712345, "error": "a\n b", "note": None}
    assert output.facts(data) == "round 3, trained on 150, accuracy 0.7123, error a b, note –"

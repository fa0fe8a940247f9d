import pytest

from workers.corpus import words


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("card_arrival", "card arrival"),
        ("card-arrival", "card arrival"),
        ("GetWeather", "Get Weather"),
        ("lost/stolen.phone", "lost stolen phone"),
        ("RNA", "RNA"),
        ("top up__reverted?", "top up reverted?"),
        ("___", "___"),
        ("über Größe", "über Größe"),
    ],
)
def test_names_as_one_would_say_them(label: str, said: str) -> None:
    assert words(label) == said

"""Which generators a worker may ask, and with whose key."""

import pytest

from service.errors import Invalid
from service.generators import allowed, key


@pytest.mark.parametrize(
    ("url", "prefixes", "wanted"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000", ("http://127.0.0.1:8000/v1", None)),
        ("HTTPS://Api.example/v1/", "http://a, https://api.example/v1", ("https://api.example/v1", None)),
        ("https://api.example:443/v1", "https://api.example", ("https://api.example/v1", None)),
        ("http://[::1]:80//v1", "http://[::1]/v1", ("http://[::1]/v1", None)),
        (
            "https://a.example/v1",
            "https://a.example#A_KEY https://b.example#B",
            ("https://a.example/v1", "A_KEY"),
        ),
    ],
)
def test_what_is_below_a_prefix_is_allowed(url: str, prefixes: str, wanted: tuple[str, str | None]) -> None:
    assert allowed(url, prefixes) == wanted


@pytest.mark.parametrize(
    ("url", "prefixes"),
    [
        ("https://api.example/v1", ""),
        ("https://api.example.evil/v1", "https://api.example"),
        ("https://evil/api.example", "https://api.example"),
        ("http://api.example/v1", "https://api.example/v1"),
        ("https://api.example:8443/v1", "https://api.example/v1"),
        ("https://api.example/v12", "https://api.example/v1"),
        ("http://169.254.169.254/latest", "http://127.0.0.1:8000"),
    ],
)
def test_what_is_elsewhere_is_refused(url: str, prefixes: str) -> None:
    with pytest.raises(Invalid, match="is not below any prefix in POSTIL_GENERATORS"):
        allowed(url, prefixes)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/v1/../admin",
        "https://api.example/v1/%2e%2E/admin",
        "https://api.example@evil/v1",
        "https://user:word@api.example/v1",
        "https://api.example\\@evil/v1",
        "https://api.example/v1?to=http://evil",
        "https://api.example/v1#ANOTHER_SECRET",
        "https://api.example/v1%0d%0aX: y",
        "https://api.example:port/v1",
        "file:///etc/passwd",
        "/etc/passwd",
        "https:///v1",
    ],
)
def test_what_could_mean_something_else_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        allowed(url, "https://api.example file:///etc")


def test_a_key_is_read_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret")
    assert key("A_KEY") == "secret"
    assert key(None) is None
    with pytest.raises(Invalid, match="no B_KEY, which POSTIL_GENERATORS names"):
        key("B_KEY")

"""Server-sent events out of bytes."""

from service.client.events import Event, read

RECORDED = (
    ": ping\n\n"
    'id: 7\nevent: round-started\ndata: {"at": 12.5, "round": 1}\n\n'
    'event: progress\r\ndata: {"jobs": []}\r\n\r\n'
    'id: 8\nevent: warning\ndata: {"text":\ndata: "a\u2028b"}\n\n'
    "event: status\n\n"
    'id: 9\nevent: tasks-pushed\ndata: {"count": 30}\n'
).encode()
EXPECTED = [
    Event("round-started", {"at": 12.5, "round": 1}, 7),
    Event("progress", {"jobs": []}),
    Event("warning", {"text": "a\u2028b"}, 8),
]


def test_pings_and_what_is_not_whole_are_dropped() -> None:
    assert list(read([RECORDED])) == EXPECTED


def test_it_does_not_matter_where_the_stream_is_cut() -> None:
    for at in range(len(RECORDED)):
        assert list(read([RECORDED[:at], RECORDED[at:]])) == EXPECTED
    assert list(read([bytes([byte]) for byte in RECORDED])) == EXPECTED

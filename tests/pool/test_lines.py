import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.pool.lines import MAX_LINE_BYTES, MAX_TEXT_CHARS, Line, Rejection, read, read_many
from service.pool.packed import Packed
from service.records import Example


def rows(body: str | bytes, form: str = "jsonl", **options: Any) -> list[Line | Rejection]:
    raw = body.encode() if isinstance(body, str) else body
    return list(read([raw], form, options.pop("text_field", "text"), **options))


def chopped(raw: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    edges = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    for start, end in pairwise(edges):
        yield raw[start:end]


def test_json_lines() -> None:
    body = (
        '{"text": "a", "id": 7, "domain": "web", "meta": {"n": 1}, "label": "x", "other": 3}\n\n{"text": "b"}'
    )
    assert rows(body) == [
        Line(1, Example("a", "7", "web", {"n": 1}, "x"), False),
        Line(3, Example("b"), False),
    ]


def test_text_field_has_the_campaigns_name() -> None:
    assert rows('{"body": "a", "text": "no"}', text_field="body") == [Line(1, Example("a"), False)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not a JSON object: Input data was truncated"),
        ("[1]", "not a JSON object: Expected `object`, got `array`"),
        ('{"id": "a"}', "'text' is missing: give the text as a string"),
        ('{"text": 3}', "'text' is a number: give the text as a string"),
        ('{"text": " \\n"}', "'text' is empty"),
        ('{"text": "a\\u0000"}', "'text' holds a NUL character"),
        (
            '{"text": "a", "id": 1.5}',
            "'id' is a number: give a string of 1 to 500 characters, or a whole number",
        ),
        (
            '{"text": "a", "id": true}',
            "'id' is a boolean: give a string of 1 to 500 characters, or a whole number",
        ),
        (
            '{"text": "a", "id": ""}',
            "'id' is a string that cannot be used: give a string of 1 to 500 characters, or a whole number",
        ),
        ('{"text": "a", "domain": []}', "'domain' is an array or object: give a string"),
        ('{"text": "a", "meta": "m"}', "'meta' is a string that cannot be used: give an object"),
    ],
)
def test_a_bad_line_is_told_and_the_next_is_read(line: str, reason: str) -> None:
    assert rows(f'{line}\n{{"text": "good"}}') == [Rejection(1, reason), Line(2, Example("good"), False)]


def test_many_lines_are_read_at_once() -> None:
    body = (
        b'{"text": "a", "id": "1", "meta": {"n": 1}, "label": null}\n{"domain": "web", "text": "\xc3\xa9"}\n'
    )
    (found,) = read_many([body], "jsonl", "text")
    assert isinstance(found, Packed)
    assert rows(body) == [
        Line(1, Example("a", "1", None, {"n": 1}), False),
        Line(2, Example("\u00e9", None, "web"), False),
    ]
    first, rest = found.split(1)
    assert ([*first.examples()], [*rest.examples()], rest.first) == (
        [Example("a", "1", None, {"n": 1})],
        [Example("\u00e9", None, "web")],
        2,
    )


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('{"text": "a"} {"text": "b"}\n\n{"text": "c"}\n', ["no", "c"]),
        ('{"text":\n"a"}\n{"text": "b"}{"text": "c"}\n{"text": "d"}', ["no", "no", "no", "d"]),
        ('{"text": "a"}\n\n{"text": "b"}\n', ["a", "b"]),
        ('{"text": "a"}\n{"text": "b", "other": "\\q"}\n{"text": "c"}\n', ["a", "no", "c"]),
        ('{"text": "a"}\n{"text": "b\\u0000"}\n{"text": "c"}\n', ["a", "no", "c"]),
        ('{"text": "a"}\n{"text": " "}\n{"text": "c", "id": 7}\n', ["a", "no", "c"]),
    ],
)
def test_lines_that_cannot_be_read_at_once_are_read_one_by_one(body: str, wanted: list[str]) -> None:
    assert [found.example.text if isinstance(found, Line) else "no" for found in rows(body)] == wanted


def test_an_empty_chunk_is_no_line() -> None:
    chunks = [b"", b'{"text": "a"}\n{"te', b"", b'xt": "b"}', b""]
    assert list(read(chunks, "jsonl", "text")) == [
        Line(1, Example("a"), False),
        Line(2, Example("b"), False),
    ]
    assert list(read([b"text\n", b"", b"a\n"], "csv", "text")) == [Line(2, Example("a"), False)]


def test_a_field_that_nobody_asks_for_has_to_be_unicode_too() -> None:
    first, second = rows(b'{"text": "a", "x": "\xff"}\n{"text": "b"}\n')
    assert isinstance(first, Rejection)
    assert second == Line(2, Example("b"), False)


def test_bytes_that_are_no_unicode_are_told() -> None:
    first, second = rows(b'{"text": "\xff"}\n{"text": "good"}')
    assert isinstance(first, Rejection)
    assert first.reason.startswith("not a JSON object")
    assert second == Line(2, Example("good"), False)


def test_a_deep_line_is_told() -> None:
    (found,) = rows('{"text": "a", "meta": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}")
    assert isinstance(found, Rejection)


def test_byte_order_mark_and_carriage_returns() -> None:
    body = '\ufeff{"text": "a"}\r\n{"text": "b"}\r\n'
    assert rows(body) == [Line(1, Example("a"), False), Line(2, Example("b"), False)]


def test_a_long_text_is_cut() -> None:
    (line,) = rows(json.dumps({"text": "x" * (MAX_TEXT_CHARS + 1)}))
    assert isinstance(line, Line)
    assert (len(line.example.text), line.truncated) == (MAX_TEXT_CHARS, True)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_line_too_long_is_dropped_as_it_comes(form: str) -> None:
    head, good = ("text\n", "good") if form == "csv" else ("", '{"text": "good"}')
    body = f"{head}{'x' * (3 * MAX_LINE_BYTES)}\n{good}\n".encode()
    held = list(read((body[at : at + 65536] for at in range(0, len(body), 65536)), form, "text"))
    assert [type(one) for one in held] == [Rejection, Line]
    assert isinstance(held[0], Rejection)
    assert "longer than 1,048,576 bytes" in held[0].reason


def test_csv() -> None:
    body = '\ufefftext,id,label,source\r\n"one, ""two""\nthree",7,x,mail\r\nfour,,,\r\n'
    assert rows(body, "csv") == [
        Line(3, Example('one, "two"\nthree', "7", None, {"source": "mail"}, "x"), False),
        Line(4, Example("four"), False),
    ]


def test_csv_cells_that_do_not_fit_are_told() -> None:
    body = b"text,id\na\nb,2,3\n\xff,4\ngood,5\n"
    assert rows(body, "csv") == [
        Rejection(2, "1 cells where the header has 2"),
        Rejection(3, "3 cells where the header has 2"),
        Rejection(4, "not UTF-8, or longer than 1,048,576 bytes: split the text, or leave the line out"),
        Line(5, Example("good", "5"), False),
    ]


def test_a_csv_quote_that_never_ends_is_told() -> None:
    found = rows('text\n"no end\n' + "filler\n" * 60_000, "csv")
    assert isinstance(found[0], Rejection)
    assert found[0].reason.startswith("not a CSV record")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "the CSV header has no column 'text'"),
        ("body,id", "the CSV header has no column 'text'; it has body, id"),
        ("text,text", "names a column twice"),
        (",".join(f"column {at}" for at in range(900)), "column 18, column 19 and 880 more$"),
        ("text,\udcff", "the CSV header is not UTF-8"),
    ],
)
def test_a_csv_header_that_cannot_be_used_ends_it(header: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        rows(f"{header}\na,b\n".encode("utf-8", "surrogateescape"), "csv")


def test_where_no_text_is_needed() -> None:
    assert rows('{"id": "a", "label": "x"}', text_required=False) == [
        Line(1, Example("", "a", None, None, "x"), False)
    ]
    assert rows("id,label\na,x\n", "csv", text_required=False) == [
        Line(2, Example("", "a", None, None, "x"), False)
    ]


@pytest.mark.parametrize(
    ("problem", "line", "label"),
    [
        ("multi_label", '{"text": "a", "labels": ["x", "y"]}', ["x", "y"]),
        ("multi_label", '{"text": "a", "labels": []}', []),
        ("multi_label", '{"text": "a", "labels": null}', None),
        ("multi_label", '{"text": "a"}', None),
        ("spans", '{"text": "a", "spans": [[0, 1, "x"]]}', [{"start": 0, "end": 1, "label": "x"}]),
        ("spans", '{"text": "a", "spans": [], "label": "x"}', []),
        ("single_label", '{"text": "a", "label": "x", "spans": []}', "x"),
    ],
)
def test_the_field_of_the_problem(problem: str, line: str, label: Any) -> None:
    assert rows(line, problem=problem) == [Line(1, Example("a", label=label), False)]


@pytest.mark.parametrize(
    ("problem", "line", "reason"),
    [
        (
            "multi_label",
            '{"text": "a", "label": "x"}',
            "'label' is given, but this campaign's problem is multi_label: give 'labels', a list of the campaign's "
            "labels, empty where none holds",
        ),
        (
            "single_label",
            '{"text": "a", "labels": ["x"]}',
            "'labels' is given, but this campaign's problem is single_label: give 'label', one of the campaign's "
            "labels",
        ),
        (
            "spans",
            '{"text": "a", "labels": ["x"]}',
            "'labels' is given, but this campaign's problem is spans: give 'spans', a list of objects {start, end, "
            "label}, empty where there is none",
        ),
        ("single_label", '{"text": "a", "label": 3}', "'label' is 3: give a string"),
        (
            "multi_label",
            '{"text": "a", "labels": "x"}',
            "'labels' is 'x': give a list of the campaign's labels, empty where none holds",
        ),
        (
            "spans",
            '{"text": "a", "spans": [[0, 1]]}',
            "'spans' holds [0, 1]: give {start, end, label} or [start, end, label]",
        ),
    ],
)
def test_the_field_of_another_problem_or_shape_is_told(problem: str, line: str, reason: str) -> None:
    assert rows(line, problem=problem) == [Rejection(1, reason)]


def test_csv_cells_of_labels_and_spans() -> None:
    body = "text,labels,note\na,x|y,n\nb,,\n"
    assert rows(body, "csv", problem="multi_label") == [
        Line(2, Example("a", meta={"note": "n"}, label=["x", "y"]), False),
        Line(3, Example("b", label=[]), False),
    ]
    body = 'text,spans\na,"[[0, 1, ""x""]]"\nb,\nc,0-1 x\n'
    first, second, third = rows(body, "csv", problem="spans")
    assert first == Line(2, Example("a", label=[{"start": 0, "end": 1, "label": "x"}]), False)
    assert second == Line(3, Example("b", label=[]), False)
    assert isinstance(third, Rejection)
    assert third.reason.startswith("'spans' is no JSON")
    (without,) = rows("text\na\n", "csv", problem="multi_label")
    assert without == Line(2, Example("a"), False)
    (other,) = rows("text,label\na,x\n", "csv", problem="spans")
    assert isinstance(other, Rejection)
    assert other.reason.startswith("'label' is given, but this campaign's problem is spans")


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1).filter(
    str.strip
)
examples = st.builds(
    Example,
    text=texts,
    id=st.none() | texts.filter(lambda text: len(text) <= 500),
    domain=st.none() | texts,
    label=st.none() | texts,
)


@given(st.lists(examples), st.lists(st.integers(min_value=0)))
def test_json_lines_come_back_however_they_are_chopped(given_: list[Example], cuts: list[int]) -> None:
    names = ("text", "id", "domain", "label")
    body = "".join(json.dumps({name: getattr(one, name) for name in names}) + "\n" for one in given_).encode()
    found = list(read(chopped(body, cuts), "jsonl", "text"))
    assert found == [Line(at + 1, one, False) for at, one in enumerate(given_)]


@given(st.lists(examples), st.lists(st.integers(min_value=0)))
def test_csv_comes_back_however_it_is_chopped(given_: list[Example], cuts: list[int]) -> None:
    # A lone carriage return is not kept: CSV has no agreed meaning for it.
    wanted = [one for one in given_ if "\r" not in f"{one.text}{one.id}{one.domain}{one.label}"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "text", "domain", "label"])
    writer.writerows([one.id or "", one.text, one.domain or "", one.label or ""] for one in wanted)
    found = list(read(chopped(out.getvalue().encode(), cuts), "csv", "text"))
    assert [line.example for line in found if isinstance(line, Line)] == wanted


@given(st.binary(), st.sampled_from(["jsonl", "csv"]), st.lists(st.integers(min_value=0)))
def test_no_bytes_break_the_parser(body: bytes, form: str, cuts: list[int]) -> None:
    raw = b"text,id\n" + body if form == "csv" else body
    for found in read(chopped(raw, cuts), form, "text"):
        assert isinstance(found, Rejection) or found.example.text.strip()


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\xff", b"text"]), max_size=40))
def test_no_csv_breaks_the_parser(parts: list[bytes]) -> None:
    for found in read([b"text,id\n", *parts], "csv", "text"):
        assert isinstance(found, Rejection | Line)

"""All rows of a database as JSON Lines, and back into an empty one, of whichever kind."""

import base64
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, LargeBinary, MetaData, Table, func, insert, select, text

ROWS = 1_000


def save(connection: Connection, folder: Path) -> dict[str, int]:
    """Write `folder`/<table>.jsonl for each table, alembic's too; how many rows each has.

    All of one moment where the connection is from `Database.snapshot`.
    """
    found = {}
    for table in _tables(connection):
        with (folder / f"{table.name}.jsonl").open("wb") as lines:
            encoder, count = msgspec.json.Encoder(), 0
            for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings():
                lines.write(encoder.encode(dict(row)) + b"\n")
                count += 1
        found[table.name] = count
    return found


def load(connection: Connection, folder: Path) -> None:
    """Fill the tables, which are empty and have the schema that the rows were of."""
    for table in _tables(connection):
        if table.name == "alembic_version":
            continue  # the schema is there, and says so
        binary = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
        with (folder / f"{table.name}.jsonl").open("rb") as lines:
            rows = _rows(lines, binary)
            while some := list(islice(rows, ROWS)):
                connection.execute(insert(table), some)
        serial = table.autoincrement_column
        if connection.dialect.name == "postgresql" and serial is not None and serial.name == "id":
            newest = connection.execute(select(func.max(serial))).scalar()
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :newest)"),
                {"table": f'"{table.name}"', "newest": newest or 1},
            )


def _rows(lines: Iterable[bytes], binary: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        row = msgspec.json.decode(line)
        yield row | {name: base64.b64decode(row[name]) for name in binary if row[name] is not None}


def _tables(connection: Connection) -> list[Table]:
    """As they are in the database, which may be of an older schema; those that others refer to come first."""
    found = MetaData()
    found.reflect(connection)
    for table in found.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True
    return found.sorted_tables

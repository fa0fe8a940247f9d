import json
import socket
from pathlib import Path

from service.stack.ports import HIGHEST, LOOPBACK, LOWEST, Ports, free_port, get, is_free


def test_a_port_somebody_listens_on_is_not_free() -> None:
    port = free_port()
    assert LOWEST <= port <= HIGHEST
    assert is_free(port)
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)


def test_a_port_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ports.json"
    first = Ports(path).port("api")
    assert Ports(path).port("api") == first
    assert json.loads(path.read_text()) == {"api": first}


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    first = ports.port("api")
    assert ports.port("valkey", preferred=first) != first


def test_the_preferred_port_is_taken_when_free_and_nothing_is_remembered(tmp_path: Path) -> None:
    preferred, other = free_port(), free_port()
    ports = Ports(tmp_path / "ports.json")
    assert ports.port("api", preferred) == preferred
    assert ports.port("api", other) == preferred


def test_a_remembered_port_that_is_taken_is_replaced_for_good(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = Ports(path).port("api")
    with socket.create_server((LOOPBACK, first)):
        second = Ports(path).port("api")
    assert second != first
    assert Ports(path).port("api") == second


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text('{"api": ')
    assert Ports(path).port("api") == json.loads(path.read_text())["api"]


def test_get_answers_none_where_nobody_listens() -> None:
    assert get(free_port(), "/") is None

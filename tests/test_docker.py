"""The container files, read as data. Building them needs Docker and is not tested here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.stack.label_studio import LOCK_SECONDS, VERSION, LabelStudio
from service.stack.stack import WORKERS

DOCKER = Path(__file__).parent.parent / "docker"
OWN = ("api", *(f"worker-{kind}" for kind in WORKERS))


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DOCKER / "compose.yml").read_text())


def names(text: str) -> set[str]:
    """Variables a compose file or a Dockerfile asks the person for."""
    return set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))


def test_every_service_is_there_and_says_how_it_is(compose: Any) -> None:
    assert set(compose["services"]) == {"valkey", "label-studio", *OWN}
    for service in compose["services"].values():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"


def test_nothing_is_privileged_and_nothing_listens_outside(compose: Any) -> None:
    for service in compose["services"].values():
        assert not {"privileged", "network_mode", "pid", "cap_add", "devices"} & set(service)
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert {name for name, service in compose["services"].items() if "ports" in service} == {
        "api",
        "label-studio",
    }


def test_the_workers_start_after_the_api_and_wait_for_no_label_studio(compose: Any) -> None:
    services = compose["services"]
    assert services["api"]["depends_on"] == {"valkey": {"condition": "service_healthy"}}
    for kind in WORKERS:
        worker = services[f"worker-{kind}"]
        assert worker["command"] == [kind]
        assert worker["build"]["dockerfile"] == "docker/Dockerfile.worker"
        assert set(worker["depends_on"]) == {"valkey", "api"}
        assert worker["environment"] == services["api"]["environment"]
        assert worker["volumes"] == services["api"]["volumes"]


def test_every_volume_is_declared(compose: Any) -> None:
    used = {mount.split(":")[0] for service in compose["services"].values() for mount in service["volumes"]}
    assert used == set(compose["volumes"])


def test_label_studio_is_the_version_and_has_the_settings_of_the_embedded_one(
    compose: Any, tmp_settings: Any, tmp_path: Path
) -> None:
    service = compose["services"]["label-studio"]
    assert service["image"] == f"heartexlabs/label-studio:{VERSION}"
    embedded = LabelStudio(tmp_settings, tmp_path, 8080, "password", "token").environ(tmp_path)
    # What a container is given by its image, or by the person.
    elsewhere = {
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LABEL_STUDIO_BASE_DATA_DIR",
        "LABEL_STUDIO_HOST",
    }
    secret = {"LABEL_STUDIO_USERNAME", "LABEL_STUDIO_PASSWORD", "LABEL_STUDIO_USER_TOKEN"}
    for name in set(embedded) - elsewhere - secret:
        assert service["environment"][name] == embedded[name], name
    assert service["environment"]["TASK_LOCK_TTL"] == str(LOCK_SECONDS)
    assert all(service["environment"][name].startswith("${") for name in secret)


def test_no_secret_is_in_the_files_and_each_variable_has_an_example(compose: Any) -> None:
    text = (DOCKER / "compose.yml").read_text()
    example = dict(
        line.split("=", 1)
        for line in (DOCKER / ".env.example").read_text().splitlines()
        if re.match(r"[A-Z_]+=", line)
    )
    assert names(text) == set(example)
    for name in ("VALKEY_PASSWORD", "LABEL_STUDIO_PASSWORD", "LABEL_STUDIO_TOKEN"):
        assert example[name] == "replace"
        assert f"${{{name}:-" not in text  # there is no default to forget about
    assert not any("PASSWORD}" in word for word in compose["services"]["valkey"]["command"])


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.worker"])
def test_an_image_is_small_pinned_and_not_root(name: str) -> None:
    lines = (DOCKER / name).read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert set(bases) == {"python:3.11-slim-bookworm"}
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert all("-c constraints.txt" in line or "--no-deps" in line for line in lines if "pip install" in line)
    ignored = (DOCKER / f"{name}.dockerignore").read_text().splitlines()
    copied = {
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == {word.removeprefix("!") for word in ignored if word.startswith("!")}
    assert "*" in ignored


def test_only_the_worker_has_torch() -> None:
    assert "torch" not in (DOCKER / "Dockerfile.api").read_text().replace("without PyTorch", "").lower()
    assert "'.[worker,postgresql,bucket,otel]'" in (DOCKER / "Dockerfile.worker").read_text()


def test_the_gpu_file_only_adds_to_the_gpu_worker() -> None:
    gpu = yaml.safe_load((DOCKER / "compose.gpu.yml").read_text())
    assert list(gpu["services"]) == ["worker-gpu"]
    (device,) = gpu["services"]["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])

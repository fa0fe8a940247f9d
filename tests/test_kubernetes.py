"""The manifests for a cluster, against the schemas of Kubernetes and read as data."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings
from service.stack.stack import WORKERS

FOLDER = Path(__file__).parent.parent / "docker" / "kubernetes"
VERSIONS = "1.29", "1.34"
"""The oldest that the large clouds still run, and a new one."""
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yml").read_text())
MANIFESTS = [
    (name, manifest)
    for name in [*KUSTOMIZATION["resources"], "secret.example.yml"]
    for manifest in yaml.safe_load_all((FOLDER / name).read_text())
]
DEPLOYMENTS = {one["metadata"]["name"]: one["spec"] for _, one in MANIFESTS if one["kind"] == "Deployment"}


def pod(name: str) -> dict[str, Any]:
    return dict(DEPLOYMENTS[name]["template"]["spec"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("at", range(len(MANIFESTS)))
def test_every_manifest_is_of_its_schema(at: int, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[at][1], version, strict=True)


def test_every_file_is_named() -> None:
    files = {path.name for path in FOLDER.glob("*.yml")}
    assert files == {*KUSTOMIZATION["resources"], "kustomization.yml", "secret.example.yml"}
    assert set(DEPLOYMENTS) == {"postil-api", *(f"postil-worker-{kind}" for kind in WORKERS)}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    spec = pod(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"limits", "requests"} <= set(container["resources"])
    assert {"configMapRef": {"name": "postil"}} in container["envFrom"]
    assert {"secretRef": {"name": "postil"}} in container["envFrom"]
    assert DEPLOYMENTS[name]["selector"]["matchLabels"] == DEPLOYMENTS[name]["template"]["metadata"]["labels"]


def test_the_api_is_asked_how_it_is() -> None:
    (container,) = pod("postil-api")["containers"]
    asked = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("kind", WORKERS)
def test_each_worker_works_at_its_queue(kind: str) -> None:
    (container,) = pod(f"postil-worker-{kind}")["containers"]
    assert container["args"] == [kind]
    assert "livenessProbe" in container
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (kind == "gpu")


def test_settings_are_known_and_secrets_are_examples() -> None:
    known = {f"POSTIL_{name.upper()}" for name in Settings.__dataclass_fields__}
    given = {
        name: value
        for _, one in MANIFESTS
        for name, value in {**one.get("data", {}), **one.get("stringData", {})}.items()
    }
    assert {name for name in given if name.startswith("POSTIL_")} <= known
    assert {"POSTIL_DATABASE_URL", "POSTIL_FILES_URL", "POSTIL_REDIS_URL"} <= set(given)
    (secret,) = [one["stringData"] for _, one in MANIFESTS if one["kind"] == "Secret"]
    assert all("replace" in value or value.startswith("http://label-studio.") for value in secret.values())

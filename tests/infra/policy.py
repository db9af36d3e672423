"""The rules that every rendered manifest keeps; each returns what breaks it, and an empty list if nothing does."""

import re
from collections.abc import Callable, Iterator

from tests.infra.manifests import Manifest, containers, pod_spec

NEEDS_TOKEN = "merflow/needs-token"  # annotation of a service account: why its pods call Kubernetes
# Containers that write to their image; none does today.
WRITABLE_ROOT: frozenset[str] = frozenset()
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|PRIVATE", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"\w+://[^/\s:@]+:[^/\s@]+@")

Rule = Callable[[list[Manifest]], list[str]]


def _name(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{metadata.get('namespace', '-')}/{manifest['kind']}/{metadata['name']}"


def _pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    for manifest in manifests:
        if (pod := pod_spec(manifest)) is not None:
            yield _name(manifest), manifest, pod


def _containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    for name, _, pod in _pods(manifests):
        for container in containers(pod):
            yield f"{name}/{container['name']}", pod, container


def runs_as_nobody(manifests: list[Manifest]) -> list[str]:
    """Find containers that may run as root, by the pod's settings or their own."""
    broken = []
    for name, pod, container in _containers(manifests):
        context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) == 0:
            broken.append(name)
    return broken


def gains_no_privileges(manifests: list[Manifest]) -> list[str]:
    """Find containers that may gain privileges, keep capabilities or escape the default seccomp profile."""
    broken = []
    for name, pod, container in _containers(manifests):
        own = container.get("securityContext", {})
        profile = {**pod.get("securityContext", {}), **own}.get("seccompProfile", {}).get("type")
        capabilities = own.get("capabilities", {})
        good = (
            own.get("allowPrivilegeEscalation") is False
            and not own.get("privileged")
            and capabilities.get("drop") == ["ALL"]
            and not capabilities.get("add")
            and profile == "RuntimeDefault"
        )
        if not good:
            broken.append(name)
    return broken


def shares_nothing_with_the_node(manifests: list[Manifest]) -> list[str]:
    """Find pods that use the node's network, processes or files."""
    return [
        name
        for name, _, pod in _pods(manifests)
        if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        or any("hostPath" in volume for volume in pod.get("volumes", []))
    ]


def has_a_read_only_root(manifests: list[Manifest]) -> list[str]:
    """Find containers that may write to their image."""
    return [
        name
        for name, _, container in _containers(manifests)
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True and name not in WRITABLE_ROOT
    ]


def states_resources(manifests: list[Manifest]) -> list[str]:
    """Find containers without requests and limits of processors and memory."""
    return [
        name
        for name, _, container in _containers(manifests)
        for part in ("requests", "limits")
        if not {"cpu", "memory"} <= set(container.get("resources", {}).get(part, {}))
    ]


def has_probes(manifests: list[Manifest]) -> list[str]:
    """Find containers of servers without a probe for the start, for readiness or for life."""
    return [
        f"{_name(manifest)}/{container['name']}/{probe}"
        for manifest in manifests
        if manifest["kind"] in ("Deployment", "StatefulSet", "DaemonSet")
        for container in manifest["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        if probe not in container
    ]


def pins_images(manifests: list[Manifest]) -> list[str]:
    """Find images with neither a digest nor a tag with a number, and those that name a registry."""
    broken = []
    for name, _, container in _containers(manifests):
        image, _, digest = container["image"].partition("@")
        host, slash, _ = image.partition("/")
        tag = image.rpartition("/")[2].partition(":")[2]
        names_registry = bool(slash) and (set(host) & {".", ":"} or host == "localhost")
        if names_registry or not (digest.startswith("sha256:") or re.search(r"\d", tag)):
            broken.append(f"{name}: {container['image']}")
    return broken


def hides_secrets(manifests: list[Manifest]) -> list[str]:
    """Find plain secrets outside Secret objects: variables of containers, settings, passwords in URLs."""
    broken = []
    for name, _, container in _containers(manifests):
        for variable in container.get("env", []):
            if _SECRET_NAME.search(variable["name"]) and variable.get("value"):
                broken.append(f"{name}: {variable['name']}")
        words = [*container.get("command", []), *container.get("args", [])]
        broken += [f"{name}: {word}" for word in words if _URL_PASSWORD.search(word)]
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            for key, text in manifest.get("data", {}).items():
                plain = "." not in key and _SECRET_NAME.search(key) and text
                if plain or _URL_PASSWORD.search(text):
                    broken.append(f"{_name(manifest)}: {key}")
    return broken


def secures_namespaces(manifests: list[Manifest]) -> list[str]:
    """Find namespaces that do not enforce ``restricted``, and undeclared ones that contain objects."""
    declared = {each["metadata"]["name"]: each["metadata"] for each in manifests if each["kind"] == "Namespace"}
    used = {each["metadata"]["namespace"] for each in manifests if "namespace" in each["metadata"]}
    wanted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return [
        name
        for name in sorted(used | set(declared))
        if not wanted.items() <= declared.get(name, {}).get("labels", {}).items()
    ]


def denies_by_default(manifests: list[Manifest]) -> list[str]:
    """Find namespaces without a policy that denies all traffic of all pods, in both directions."""
    denied = {
        policy["metadata"].get("namespace")
        for policy in manifests
        if policy["kind"] == "NetworkPolicy"
        and policy["spec"].get("podSelector") == {}
        and set(policy["spec"].get("policyTypes", [])) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    }
    return [
        each["metadata"]["name"]
        for each in manifests
        if each["kind"] == "Namespace" and each["metadata"]["name"] not in denied
    ]


def hands_out_no_tokens(manifests: list[Manifest]) -> list[str]:
    """Find service accounts and pods that get a token of Kubernetes without saying why they need it."""
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    needing = {
        (each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in accounts
        if each["metadata"].get("annotations", {}).get(NEEDS_TOKEN)
    }
    broken = [
        _name(each)
        for each in accounts
        if each.get("automountServiceAccountToken") is not False
        and (each["metadata"].get("namespace"), each["metadata"]["name"]) not in needing
    ]
    for name, manifest, pod in _pods(manifests):
        account = (manifest["metadata"].get("namespace"), pod.get("serviceAccountName", "default"))
        if pod.get("automountServiceAccountToken") is not False and account not in needing:
            broken.append(name)
    return broken


def grants_little(manifests: list[Manifest]) -> list[str]:
    """Find roles with a wildcard, with rights in the whole cluster, or over every secret of a namespace."""
    broken = []
    for manifest in manifests:
        if manifest["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            broken.append(_name(manifest))
        if manifest["kind"] != "Role":
            continue
        for rule in manifest["rules"]:
            everything = "*" in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
            if everything or ("secrets" in rule["resources"] and not rule.get("resourceNames")):
                broken.append(_name(manifest))
    return broken


def limits_namespaces(manifests: list[Manifest]) -> list[str]:
    """Find namespaces without a quota or without default resources of containers."""
    return [
        f"{each['metadata']['name']}: {kind}"
        for each in manifests
        if each["kind"] == "Namespace"
        for kind in ("ResourceQuota", "LimitRange")
        if not any(
            other["kind"] == kind and other["metadata"].get("namespace") == each["metadata"]["name"]
            for other in manifests
        )
    ]


RULES: tuple[Rule, ...] = (
    runs_as_nobody,
    gains_no_privileges,
    shares_nothing_with_the_node,
    has_a_read_only_root,
    states_resources,
    has_probes,
    pins_images,
    hides_secrets,
    secures_namespaces,
    denies_by_default,
    hands_out_no_tokens,
    grants_little,
    limits_namespaces,
)

"""The serving pod: one container fetches the package and checks its digest, another answers requests.

Knative refuses a pod's security context unless its ``config-features`` allow one. It always refuses a grace period and
custom port names. So every container has a security context, and probes give the port by number.
"""

import math
from typing import Any

from merflow.contracts.cluster import SecretRef
from merflow.contracts.deployment_settings import DeploymentSettings, ServingResources
from merflow.contracts.kubernetes_names import NONE, image_digest
from merflow.promotion.deployment.plan import Plan, ServedVersion

Manifest = dict[str, Any]
PORT = 8080
PACKAGE = "/models/package"
CONTAINER = "kserve-container"  # KServe's name for the container of a predictor
_ENCODERS = "/encoders"
_PROBE_S = 5
# Downloading a package needs few resources, whatever the model needs later.
_FETCH = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}}


def pod_fields(plan: Plan, version: ServedVersion) -> Manifest:
    """Return the pod spec fields for serving a version."""
    settings = plan.settings
    fields: Manifest = {
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
    }
    if settings.image_pull_secret != NONE:
        fields["imagePullSecrets"] = [{"name": settings.image_pull_secret}]
    if plan.mode == "standard":
        fields["terminationGracePeriodSeconds"] = settings.seconds.drain + settings.seconds.request + 10
    fields |= _placement(settings, gpu=plan.gpu)
    fields["initContainers"] = [_fetching(plan, version)]
    fields["containers"] = [_serving(plan)]
    fields["volumes"] = _volumes(settings)
    return fields


def _placement(settings: DeploymentSettings, *, gpu: bool) -> Manifest:
    selector = settings.node_selector | (settings.gpu_node_selector if gpu else {})
    tolerations = dict.fromkeys(settings.tolerations + (settings.gpu_tolerations if gpu else []))
    fields: Manifest = {"nodeSelector": selector} if selector else {}
    if tolerations:
        fields["tolerations"] = [each.model_dump(exclude_none=True) for each in tolerations]
    return fields


def _fetching(plan: Plan, version: ServedVersion) -> Manifest:
    mlflow = plan.settings.mlflow
    login = {} if mlflow.secret == NONE else dict.fromkeys(("USERNAME", "PASSWORD"), mlflow.secret)
    return {
        "name": "fetch-model",
        "image": plan.settings.image,
        **_pull_policy(plan.settings),
        "command": ["merflow", "registry", "fetch", version.location],
        "args": ["--into=/models", f"--digest={version.digest}"],
        "env": [
            {"name": "MLFLOW_TRACKING_URI", "value": mlflow.uri},
            *(
                _from_secret(f"MLFLOW_TRACKING_{part}", SecretRef(secret=secret, key=f"MLFLOW_TRACKING_{part}"))
                for part, secret in login.items()
            ),
            *_variables(plan.settings),
        ],
        "resources": _FETCH,
        "securityContext": _security(plan.settings),
        "volumeMounts": [
            {"name": "model", "mountPath": "/models"},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def _serving(plan: Plan) -> Manifest:
    settings = plan.settings
    mounts: list[Manifest] = [
        {"name": "model", "mountPath": "/models", "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp"},
    ]
    if settings.encoders_pvc != NONE:
        mounts.append({"name": "encoders", "mountPath": _ENCODERS, "readOnly": True})
    key = [] if settings.api_key is None else [_from_secret("MERFLOW_API_KEY", settings.api_key)]
    threads = math.ceil(_resources(plan).cpu_limit or _resources(plan).cpu_request)
    return {
        "name": CONTAINER,
        "image": settings.image,
        **_pull_policy(settings),
        "command": ["merflow", "serve", PACKAGE],
        "args": _arguments(plan),
        "env": [
            {"name": "HF_HOME", "value": "/tmp/huggingface"},
            {"name": "OMP_NUM_THREADS", "value": str(threads)},  # PyTorch counts the node's cores, not the pod's
            *key,
            *_variables(settings),
        ],
        # Knative only knows the names http1 and h2c.
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": _probe("ready", failures=math.ceil(settings.seconds.start / _PROBE_S)),
        "readinessProbe": _probe("ready", failures=2),
        "livenessProbe": _probe("live", failures=6),
        "resources": _requested(plan),
        "securityContext": _security(settings),
        "volumeMounts": mounts,
    }


def _arguments(plan: Plan) -> list[str]:
    settings = plan.settings
    words = [
        "--host=0.0.0.0",
        f"--port={PORT}",
        f"--name={plan.service}",
        f"--device={'cuda' if plan.gpu else 'cpu'}",
        f"--max-requests={settings.scaling.limit}",
        f"--max-answer-s={settings.seconds.request}",
        f"--drain-s={settings.seconds.drain}",
    ]
    return words if settings.encoders_pvc == NONE else [*words, f"--set=features.encoders_folder={_ENCODERS}"]


def _probe(path: str, *, failures: int) -> Manifest:
    return {
        "httpGet": {"path": f"/v2/health/{path}", "port": PORT},
        "periodSeconds": _PROBE_S,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _resources(plan: Plan) -> ServingResources:
    return plan.settings.gpu if plan.gpu else plan.settings.cpu


def _requested(plan: Plan) -> Manifest:
    asked = _resources(plan)
    memory = {"memory": _mib(asked.memory_gib)}
    limits = memory if asked.cpu_limit is None else {"cpu": f"{asked.cpu_limit:g}", **memory}
    devices = {plan.settings.accelerator: "1"} if plan.gpu else {}
    return {"requests": {"cpu": f"{asked.cpu_request:g}", **memory, **devices}, "limits": {**limits, **devices}}


def _security(settings: DeploymentSettings) -> Manifest:
    user = {} if settings.user is None else {"runAsUser": settings.user, "runAsGroup": 0}
    return {
        "runAsNonRoot": True,
        **user,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _volumes(settings: DeploymentSettings) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": "model", "emptyDir": {"sizeLimit": _mib(settings.model_gib)}},
        {"name": "scratch", "emptyDir": {"sizeLimit": _mib(settings.scratch_gib)}},
    ]
    if settings.encoders_pvc != NONE:
        claim = {"claimName": settings.encoders_pvc, "readOnly": True}
        volumes.append({"name": "encoders", "persistentVolumeClaim": claim})
    return volumes


def _pull_policy(settings: DeploymentSettings) -> Manifest:
    return {"imagePullPolicy": "IfNotPresent" if image_digest(settings.image) else "Always"}


def _variables(settings: DeploymentSettings) -> list[Manifest]:
    plain = [{"name": name, "value": value} for name, value in settings.env.items()]
    return plain + [_from_secret(name, secret) for name, secret in settings.secrets.items()]


def _from_secret(name: str, secret: SecretRef) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.secret, "key": secret.key}}}


def _mib(gib: float) -> str:
    return f"{round(gib * 1024)}Mi"

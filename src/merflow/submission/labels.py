"""Labels of an image, from podman or docker on this machine if they have the image, otherwise from its registry.

Registries are queried through their HTTP API (version 2), with the login that podman, docker and skopeo store.
"""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3

from merflow.errors import SubmissionError
from merflow.submission.transport import reason_of

VERSION, REVISION = "org.opencontainers.image.version", "org.opencontainers.image.revision"
CODE = "io.merflow.code-digest"

_REFERENCE = re.compile(r"(?P<registry>[^/]+)/(?P<name>[^@]+?)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:\w+))?")
_MANIFESTS = ", ".join(
    [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
)
_TIMEOUT_S, _PROGRAM_S = 15.0, 20.0
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def labels_of(image: str) -> dict[str, str]:
    """Return the labels of an image.

    Raises:
        SubmissionError: The image is neither on this machine nor available from its registry.
    """
    local = _local(image)
    if local is not None:
        return local
    parts = _REFERENCE.fullmatch(image)
    if parts is None or not re.search(r"[.:]|^localhost$", parts["registry"]):
        raise SubmissionError(
            f"image {image} names no registry, and this machine does not have it; push it, and name it "
            "with its registry"
        )
    registry = Registry(parts["registry"], parts["name"])
    return registry.labels(parts["digest"] or parts["tag"] or "latest")


class Registry:
    """One repository of a registry."""

    def __init__(self, host: str, name: str) -> None:
        self._host = host
        self._name = name
        scheme = "http" if re.match(r"(localhost|127\.0\.0\.1)(:|$)", host) else "https"
        self._base = f"{scheme}://{host}/v2/{name}"
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)
        self._bearer: str | None = None

    def labels(self, reference: str) -> dict[str, str]:
        """Return the labels of a tag or digest; for a multi-platform image, those of Linux on x86-64.

        Raises:
            SubmissionError: The registry refuses, cannot be reached, or has no such image.
        """
        manifest = self._get(f"manifests/{reference}", accept=_MANIFESTS)
        if "manifests" in manifest:
            chosen = [each for each in manifest["manifests"] if _is_usual(each.get("platform", {}))]
            if not chosen:
                raise SubmissionError(
                    f"image {self._host}/{self._name} is not built for linux/amd64; build it for this platform"
                )
            manifest = self._get(f"manifests/{chosen[0]['digest']}", accept=_MANIFESTS)
        config = self._get(f"blobs/{manifest['config']['digest']}", accept="*/*")
        return dict(config.get("config", {}).get("Labels") or {})

    def _get(self, path: str, *, accept: str) -> dict[str, Any]:
        headers = {"Accept": accept}
        try:
            answer = self._pool.request("GET", f"{self._base}/{path}", headers=headers | self._authorization())
            if answer.status == 401 and self._bearer is None:
                self._log_in(answer.headers.get("www-authenticate", ""))
                answer = self._pool.request("GET", f"{self._base}/{path}", headers=headers | self._authorization())
            body = answer.data
        except urllib3.exceptions.HTTPError as error:
            raise SubmissionError(
                f"cannot reach registry {self._host} ({reason_of(error)}); check the name of the image and the network"
            ) from error
        if answer.status != 200:
            raise SubmissionError(f"registry {self._host} does not give {self._name}: {self._remedy(answer.status)}")
        try:
            content = json.loads(body)
        except ValueError as error:
            raise SubmissionError(f"registry {self._host} does not answer as a registry does: {body[:80]!r}") from error
        return dict(content)

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return f"not allowed ({status}); log in: podman login {self._host}"
        if status == 404:
            return "it has no such image (404); push it, or correct the tag or digest"
        return f"status {status}; try again later"

    def _authorization(self) -> dict[str, str]:
        if self._bearer is not None:
            return {"Authorization": f"Bearer {self._bearer}"}
        kept = _kept_login(self._host)
        return {"Authorization": f"Basic {kept}"} if kept else {}

    def _log_in(self, challenge: str) -> None:
        """Get a read token from the service that the registry names; keep no token if it names none."""
        fields = dict(_CHALLENGE.findall(challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in fields:
            return
        query = {"service": fields.get("service", ""), "scope": f"repository:{self._name}:pull"}
        kept = _kept_login(self._host)
        headers = {"Authorization": f"Basic {kept}"} if kept else {}
        answer = self._pool.request("GET", fields["realm"], fields=query, headers=headers)
        if answer.status == 200:
            given = json.loads(answer.data)
            self._bearer = given.get("token") or given.get("access_token")


def _is_usual(platform: Mapping[str, str]) -> bool:
    return platform.get("os") == "linux" and platform.get("architecture") == "amd64"


def _local(image: str) -> dict[str, str] | None:
    """Return the labels of an image on this machine; None if neither podman nor docker has it."""
    for program in ("podman", "docker"):
        if shutil.which(program) is None:
            continue
        command = [program, "image", "inspect", "--format", "{{json .Config.Labels}}", image]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PROGRAM_S)
            if done.returncode == 0:
                return dict(json.loads(done.stdout) or {})
        except (OSError, ValueError, subprocess.TimeoutExpired):
            continue
    return None


def _kept_login(host: str) -> str | None:
    """Return the base64 login that podman or docker stored for a registry; None if there is none."""
    for path in _login_files():
        try:
            entries = json.loads(path.read_text(encoding="utf-8")).get("auths", {})
        except (OSError, ValueError, AttributeError):
            continue
        entry = entries.get(host) or entries.get(f"https://{host}") or {}
        if entry.get("auth"):
            return str(entry["auth"])
        if entry.get("username"):
            return base64.b64encode(f"{entry['username']}:{entry.get('password', '')}".encode()).decode()
    return None


def _login_files() -> Iterator[Path]:
    home = Path(os.environ.get("HOME") or Path.home())
    if given := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(given)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
    yield Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"

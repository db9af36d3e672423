"""The few commands of podman that a rehearsal needs."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from merflow.errors import PipelineError

_PATIENCE_S = 300.0
_POLL_S = 0.5
_ENDED = ("exited", "stopped", "dead")
# What podman says, and what to do about it.
_REMEDIES = {
    "rlimit": "set default_ulimits of podman's containers.conf to what this machine permits",
    "cgroups in hybrid mode": 'install runc, and set runtime = "runc" in the section [engine] of containers.conf',
    "newuidmap": "install the package uidmap, or run as root",
    "cannot find uid/gid": "give your user subordinate IDs in /etc/subuid and /etc/subgid, or run as root",
    "catatonit": "install the package catatonit, which podman needs for pods",
    "executable file not found": "the image has no such program: build it from infra/images",
}


@dataclass(frozen=True)
class Podman:
    """Podman on this machine."""

    program: str = "podman"

    def check(self, image: str) -> None:
        """Raise if podman cannot run a container of this image.

        Raises:
            PipelineError: podman is missing, does not have this image, or cannot start a container.
        """
        if shutil.which(self.program) is None:
            raise PipelineError("a rehearsal needs podman, which is not installed; install it, or use a cluster")
        if self._run("image", "exists", image).returncode:
            raise PipelineError(
                f"podman has no image {image}; build it (`make images`) or pull it, or name another one in "
                "cluster.image when you compile"
            )
        self.call("run", "--rm", "--network=none", "--user=12345:0", image, "true")

    def call(self, *arguments: str, content: str | None = None, patience_s: float = _PATIENCE_S) -> str:
        """Run podman and return what it printed.

        Raises:
            PipelineError: It failed; the message includes podman's own.
        """
        done = self._run(*arguments, content=content, patience_s=patience_s)
        if done.returncode:
            said = _last_lines(done.stderr) or _last_lines(done.stdout) or f"exit code {done.returncode}"
            remedy = next((f"; {each}" for words, each in _REMEDIES.items() if words in done.stderr.lower()), "")
            raise PipelineError(f"podman {' '.join(arguments[:2])}: {said}{remedy}")
        return done.stdout

    def play(self, manifests: Sequence[Mapping[str, Any]], *, network: str, aliases: Sequence[str] = ()) -> None:
        """Start the pod among these objects; ConfigMaps come along with it."""
        joined = ",".join(f"alias={alias}" for alias in aliases)
        text = yaml.safe_dump_all([dict(each) for each in manifests], sort_keys=False)
        option = f"--network={network}{':' if joined else ''}{joined}"
        self.call("kube", "play", option, "-", content=text, patience_s=1200.0)

    def add_network(self, name: str) -> None:
        """Create a network whose pods find each other by name, unless it exists."""
        if self._run("network", "exists", name).returncode:
            self.call("network", "create", name)

    def add_secret(self, name: str, data: Mapping[str, str]) -> None:
        """Create or replace a Secret; podman 4.3 takes the JSON of its data, not its YAML.

        Args:
            name: Its name.
            data: Values in base64, as in a manifest.
        """
        self._run("secret", "rm", name)
        self.call("secret", "create", name, "-", content=json.dumps(dict(data)))

    def add_volume(self, name: str, *, mode: int, group: int | None = None) -> None:
        """Create a volume unless it exists, and set the access to its root.

        Args:
            name: Its name.
            mode: Its mode.
            group: The group that it is given to; None to leave it.
        """
        if self._run("volume", "exists", name).returncode:
            self.call("volume", "create", name)
        root = self.call("volume", "inspect", "--format", "{{.Mountpoint}}", name).strip()
        if group is not None:
            self._as_root("chgrp", str(group), root)
        self._as_root("chmod", f"{mode:o}", root)

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder in which containers wrote, under whatever user."""
        if folder.exists():
            self._as_root("rm", "-r", "-f", str(folder))

    def state(self, container: str) -> dict[str, Any] | None:
        """Return the state of a container (``Status``, ``ExitCode``, ``OOMKilled``); None if there is none."""
        done = self._run("container", "inspect", "--format", "{{json .State}}", container)
        if done.returncode:
            return None
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def ended(self, container: str, stopping: threading.Event, *, until_s: float) -> dict[str, Any] | None:
        """Return the state of a container when it has ended, or at that time of ``time.monotonic``, or when stopped.

        None if it vanished.
        """
        while True:
            state = self.state(container)
            if state is None or state["Status"] in _ENDED:
                return state
            if time.monotonic() > until_s or stopping.wait(_POLL_S):
                return state

    def logs(self, container: str) -> str:
        """Return everything that a container wrote, including standard error."""
        done = subprocess.run(
            [self.program, "logs", container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
        return done.stdout

    def remove_pods(self, *names: str) -> None:
        """Kill and remove pods; those that do not exist are ignored."""
        for name in names:
            self._run("pod", "rm", "--force", "--time=0", name)

    def pods(self, *, label: str) -> list[str]:
        """Return the names of all pods with a label, ``key=value``."""
        return self.call("pod", "ps", "--filter", f"label={label}", "--format", "{{.Name}}").split()

    def ports(self, pod: str) -> dict[int, int]:
        """Return the ports of this machine on which a pod's ports are published, by the pod's port."""
        text = self.call("pod", "inspect", "--format", "{{json .InfraConfig.PortBindings}}", pod)
        bindings: dict[str, list[dict[str, str]]] = json.loads(text) or {}
        return {int(port.partition("/")[0]): int(each[0]["HostPort"]) for port, each in bindings.items() if each}

    def remove_all(self, *, prefix: str) -> None:
        """Remove all volumes and Secrets whose name begins with this."""
        for kind, shown in (("volume", "{{.Name}}"), ("secret", "{{.Name}}")):
            for name in self.call(kind, "ls", "--format", shown).split():
                if name.startswith(prefix):
                    self._run(kind, "rm", name)

    def _as_root(self, *command: str) -> None:
        within = [] if os.geteuid() == 0 else [self.program, "unshare"]
        subprocess.run([*within, *command], check=True, capture_output=True)

    def _run(
        self, *arguments: str, content: str | None = None, patience_s: float = _PATIENCE_S
    ) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [self.program, *arguments],
                input=content,
                capture_output=True,
                text=True,
                timeout=patience_s,
                check=False,
                start_new_session=True,  # Ctrl-C is for merflow alone
            )
        except subprocess.TimeoutExpired as error:
            raise PipelineError(f"podman {' '.join(arguments[:2])} did not answer in {patience_s:g} s") from error


def _last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and "failed to connect to syslog" not in line]
    return "; ".join(lines[-2:])

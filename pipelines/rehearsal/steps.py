"""A step in containers, with attempts under Argo's rules until it succeeds or Argo would give up."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from merflow.contracts.pipeline_steps import Watcher
from merflow.contracts.progress import ERROR_PREFIX, PREFIX
from merflow.errors import PipelineError
from merflow.pipelines.lint.package import Package
from merflow.pipelines.rehearsal.for_podman import for_podman, local_name, make_scratch
from merflow.pipelines.rehearsal.graph import Outputs, Step
from merflow.pipelines.rehearsal.inputs import executor_input, parsed
from merflow.pipelines.rehearsal.journal import Journal, key_of
from merflow.pipelines.rehearsal.launcher import MARK
from merflow.pipelines.rehearsal.pod import CONTAINER, Place, launcher_config_map, pod_manifest
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.retries import Attempt, GiveUp, Outcome, RetryPolicy, after

_LIMIT = 63  # characters in a pod name
_SIGKILL = 137  # exit code of a process killed by SIGKILL


@dataclass
class Steps:
    """A runner of steps for :class:`merflow.pipelines.rehearsal.graph.Graph`; called from several threads.

    Attributes:
        package: The compiled package.
        place: Settings that all pods share.
        podman: Podman.
        project: Prefix of the names of all podman objects; also the name of the network.
        journal: Finished steps.
        logs: Folder for the log of every attempt.
        scratch: Folder for files that a pod needs only while it runs.
        backoff_scale: Factor by which backoffs are shortened.
        watcher: Receiver of the progress of steps and of job output.
        stopping: Event that ends all pods.
    """

    package: Package
    place: Place
    podman: Podman
    project: str
    journal: Journal
    logs: Path
    scratch: Path
    backoff_scale: float
    watcher: Watcher
    stopping: threading.Event
    attempts: list[str] = field(default_factory=list)
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def run(self, step: Step) -> Outputs:
        """Return a step's outputs; reuse those of an earlier rehearsal if the step finished there with the same inputs.

        Raises:
            PipelineError: The step failed, and Argo would not retry it; the message is the step's own.
        """
        executor = self.package.pods[step.component["executorLabel"]]
        given = executor_input(
            step.component,
            parameters=step.inputs.parameters,
            artifacts=step.inputs.artifacts,
            root=f"{self.place.store.root}/{self.place.run}/{step.path}",
        )
        key = key_of(given, {"container": executor.container, "settings": executor.settings})
        self._tell(lambda: self.watcher.step_started(step.name))
        outputs = self.journal.find(step.path, key=key)
        cached = outputs is not None
        if outputs is None:
            outputs = self._until_done(step, given)
            self.journal.add(step.path, outputs, key=key)
        self._tell(lambda: self.watcher.step_finished(step.name, cached=cached))
        return outputs

    def _until_done(self, step: Step, given: dict[str, Any]) -> Outputs:
        policy = RetryPolicy.of(step.task).scaled(self.backoff_scale)
        executor = self.package.pods[step.component["executorLabel"]]
        attempts: list[Attempt] = []
        while True:
            name = _pod_name(self.place.run, step.path, len(attempts))
            started_s = time.monotonic()
            until_s = policy.deadline_s(attempts, now_s=started_s, limit_s=executor.timeout_s)
            outcome, log, reason = self._attempt(name, given, step=step, until_s=until_s)
            attempts.append(Attempt(started_s, time.monotonic(), outcome))
            self.attempts.append(f"{step.path} {outcome.value}")
            if self.stopping.is_set():
                raise PipelineError("the rehearsal was interrupted; run it again to resume")
            if outcome is Outcome.SUCCEEDED:
                return self._outputs(step, log)
            follows = after(attempts, policy)
            if isinstance(follows, GiveUp):
                path = self.logs / f"{name}.log"
                raise PipelineError(f"{step.path}: {reason} ({follows.reason}; log: {path})")
            wait_s = max(0.0, follows.at_s - time.monotonic())
            words = f"{step.path}: attempt {len(attempts)} failed ({reason}); next attempt in {wait_s:.0f} s"
            self._tell(partial(self.watcher.job_line, words))
            self.stopping.wait(wait_s)

    def _attempt(self, name: str, given: dict[str, Any], *, step: Step, until_s: float) -> tuple[Outcome, str, str]:
        """Run one pod; return how it ended, its log, and the reason for a failure."""
        executor = self.package.pods[step.component["executorLabel"]]
        pod = pod_manifest(executor, given, name=name, place=self.place)
        folder = self.scratch / name
        made = for_podman(pod, project=self.project, scratch=folder)
        self.podman.remove_pods(name)
        self.podman.remove_folder(folder)
        make_scratch(made.scratch)
        for claim in made.claims:
            self.podman.add_volume(claim, mode=0o2770, group=made.group)
        launcher = launcher_config_map(self.place)
        metadata = launcher["metadata"]
        launcher["metadata"] = {"name": local_name(self.project, metadata["namespace"], metadata["name"])}
        container = f"{name}-{CONTAINER}"
        try:
            self.podman.play([launcher, made.main], network=self.project)
            state = self.podman.ended(container, self.stopping, until_s=until_s)
            log = self._keep_log(container, name) if state else ""
        finally:
            self.podman.remove_pods(name)
            self.podman.remove_folder(folder)
        if state is None:
            return Outcome.ERROR, log, "its pod vanished"
        if state["Status"] == "running":
            return Outcome.FAILED, log, "it reached its time limit"
        if not state["ExitCode"]:
            return Outcome.SUCCEEDED, log, ""
        return Outcome.FAILED, log, _reason(log, state["ExitCode"])

    def _keep_log(self, container: str, name: str) -> str:
        log = self.podman.logs(container)
        self.logs.mkdir(parents=True, exist_ok=True)
        (self.logs / f"{name}.log").write_text(log, encoding="utf-8")
        for line in log.splitlines():
            if line.startswith(PREFIX):
                self._tell(partial(self.watcher.job_line, line.removeprefix(PREFIX)))
        return log

    def _outputs(self, step: Step, log: str) -> Outputs:
        """Return the outputs from the last line of the launcher."""
        marked = [line for line in log.splitlines() if line.startswith(MARK)]
        if not marked:
            raise PipelineError(f"{step.path} ended without printing its outputs; read its log in {self.logs}")
        found = json.loads(marked[-1].removeprefix(MARK))
        defined = step.component.get("outputDefinitions", {}).get("parameters", {})
        parameters = {
            name: parsed(value, defined[name]["parameterType"]) if isinstance(value, str) else value
            for name, value in found["parameters"].items()
        }
        return Outputs(parameters, {name: [each] for name, each in found["artifacts"].items()})

    def _tell(self, what: Callable[[], None]) -> None:
        with self._telling:
            what()


def _pod_name(run: str, path: str, attempt: int) -> str:
    """Return the name of a pod from the run, the step's path and the attempt number, as Argo does."""
    text = re.sub(r"[^a-z0-9-]+", "-", path.lower())
    end = f"-{attempt}"
    return f"{run}-{text}"[: _LIMIT - len(end)].rstrip("-") + end


def _reason(log: str, code: int) -> str:
    """Return a step's own error message, or the meaning of its exit code."""
    if code == _SIGKILL:
        return "it was killed, probably because it ran out of memory"
    said = [line.partition(ERROR_PREFIX)[2] for line in log.splitlines() if ERROR_PREFIX in line]
    lines = said or [line.strip()[:300] for line in log.splitlines() if line.strip()][-1:]
    return " ".join(dict.fromkeys(lines)) or f"exit code {code}"

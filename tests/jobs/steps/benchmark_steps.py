"""The steps of a benchmark one after the other, as a cluster runs them: each in a pod of its own."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merflow.errors import MerflowError
from merflow.jobs import steps


@dataclass
class StepByStep:
    """A run of the pipeline's steps in this process.

    Attributes:
        settings: Arguments of the pipeline, as in ``pipelines/benchmark.py``.
        artifacts: Folder of the files that the steps hand on, which a cluster keeps in its own store.
        pods: True to begin each step with an empty workspace folder.
        before: Called with the name and the arguments of each step before it begins.
        retries: How often a step that fails is called again.
        failures: What failed steps have said.
    """

    settings: dict[str, Any]
    artifacts: Path
    pods: bool
    before: Callable[[str, tuple[str, ...], dict[str, Any]], None] = lambda *_: None
    retries: int = 0
    failures: list[str] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.artifacts.mkdir(parents=True, exist_ok=True)

    def call(self, name: str, /, *arguments: str, **named: Any) -> Any:  # noqa: ANN401 - as the steps
        self.before(name, arguments, named)
        for attempt in range(self.retries + 1):
            if self.pods:
                shutil.rmtree(self.settings["workspace"], ignore_errors=True)
                Path(self.settings["workspace"]).mkdir(parents=True)
            try:
                said = getattr(steps, name)(*arguments, **named)
            except MerflowError as error:
                self.failures.append(f"{name}: {error}")
                if attempt == self.retries:
                    raise
            else:
                self.said[name] = said
                return said
        raise AssertionError("no attempt")

    def path(self, name: str) -> str:
        return str(self.artifacts / name)

    def paths(self, *names: str) -> dict[str, str]:
        return {name: self.path(name) for name in names}

    def prepare(self, requests: tuple[str, ...]) -> None:
        """Run the steps from a corpus to features."""
        index, validate, transcribe, split, extract = requests
        self.call("index", index, manifest=self.path("indexed"))
        shown = self.paths("docs", "summary")
        self.call(
            "validate",
            validate,
            manifest=self.path("indexed"),
            validated=self.path("validated"),
            set_aside=self.path("rows"),
            **shown,
        )
        self.call(
            "transcribe",
            transcribe,
            manifest=self.path("validated"),
            transcribed=self.path("manifest"),
            set_aside=self.path("recordings"),
            **self.paths("summary", "report"),
        )
        self.call("split", split, **self.paths("manifest", "splits", "summary"))
        self.call("extract", extract, **self.paths("manifest", "features"))

    def digests(self) -> str:
        looks = {name: self.settings[name] for name in ("corpus", "root", "transcribe", "profile", "params")}
        return str(self.call("fingerprint", workspace=self.settings["workspace"], **looks))

    def trained(self) -> list[str]:
        """Run all steps up to the folds, and return the names of these."""
        planned = self.call("plan_benchmark", command="", digests=self.digests(), **self.settings)
        self.prepare(planned[:5])
        list_folds, _, track, _ = planned[5:]
        data = self.paths("manifest", "splits", "features")
        self.call("track", track, **self.paths("run", "summary"), **data)
        requests = self.call("list_folds", list_folds, run=self.path("run"), **data)
        return [self.call("train", request, **self.paths("metrics", "summary"))[0] for request in requests]

    def benchmark(self) -> Path:
        """Run a whole benchmark, and return ``results.json``."""
        folds = self.trained()
        _, classics, _, evaluate = self.said["plan_benchmark"][5:]
        data = self.paths("manifest", "splits", "features")
        self.call("classics", classics, classics=self.path("classics"), **data)
        self.call(
            "evaluate",
            evaluate,
            folds=folds,
            **self.paths("manifest", "splits", "run", "classics"),
            **self.paths("results", "report", "metrics", "confusion", "tables"),
        )
        return Path(self.path("results"))


def settings_of(workspace: Path, *models: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return arguments of the pipeline for a small run."""
    params = {
        "training": {"max_epochs": 2, "device": "cpu"},
        "evaluation": {"bootstrap_samples": 200},
        "splits": {"protocol": "session5-only"},
        "tracking": {"uri": "none"},
        "features": {"shard_utterances": 16},
        "classics": {"audio": False, "opensmile": "off"},
    }
    params |= changes.pop("params", {})
    return {
        "models": list(models),
        "corpus": "synthetic",
        "root": "",
        "size": "tiny",
        "workspace": str(workspace),
        "name": "steps",
        "quarantine": False,
        "transcribe": False,
        "presets": "",
        "profile": "",
        "params": json.dumps(params),
    } | changes

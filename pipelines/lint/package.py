"""A compiled package as the rules see it: both YAML documents, and every task with its position in the graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from merflow.contracts.package_facts import VARIABLE, PackageFacts
from merflow.errors import PipelineError

# The loader of libyaml if it is available: a package has thousands of lines.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KIND = "write it with `merflow pipeline compile`"


@dataclass(frozen=True)
class Task:
    """One task of the graph.

    Attributes:
        name: Its name.
        spec: Its entry in the graph.
        component: Its component.
        above: Tasks of the graphs around it, outermost first: loops, conditions, exit handlers.
    """

    name: str
    spec: Mapping[str, Any]
    component: Mapping[str, Any]
    above: tuple["Task", ...]

    @property
    def path(self) -> str:
        """Names of the graphs around it, and its own."""
        return "/".join(each.name for each in (*self.above, self))

    @property
    def executor(self) -> str | None:
        """Name of its executor; None for a task that is a graph itself."""
        return self.component.get("executorLabel")

    @property
    def is_loop(self) -> bool:
        """True for a loop."""
        return "parameterIterator" in self.spec or "artifactIterator" in self.spec

    @property
    def in_loop(self) -> bool:
        """True if a loop repeats it."""
        return any(each.is_loop for each in self.above)

    @property
    def in_condition(self) -> bool:
        """True if a condition may skip it."""
        return any("condition" in each.spec.get("triggerPolicy", {}) for each in self.above)

    def inputs(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return its inputs by name; ``kind`` is ``parameters`` or ``artifacts``."""
        given: dict[str, dict[str, Any]] = self.spec.get("inputs", {}).get(kind, {})
        return given

    def defined(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the inputs that its component defines."""
        found: dict[str, dict[str, Any]] = self.component.get("inputDefinitions", {}).get(kind, {})
        return found


@dataclass(frozen=True)
class Pod:
    """One executor: its container, and the settings of its pod that only Kubernetes knows."""

    name: str
    container: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def resources(self) -> Mapping[str, Any]:
        """Requests and limits."""
        found: Mapping[str, Any] = self.container.get("resources", {})
        return found

    @property
    def has_gpu(self) -> bool:
        """True if it requests accelerators."""
        return "accelerator" in self.resources

    @property
    def timeout_s(self) -> int:
        """Seconds until it is terminated; 0 for no limit."""
        return int(self.settings.get("activeDeadlineSeconds", 0))

    @property
    def variables(self) -> dict[str, str]:
        """Plain environment variables."""
        return {each["name"]: str(each.get("value", "")) for each in self.container.get("env", [])}

    @property
    def arguments(self) -> list[str]:
        """All arguments with which its container is started."""
        return [*self.container.get("command", []), *self.container.get("args", [])]


@dataclass(frozen=True)
class Package:
    """A compiled package.

    Attributes:
        text: The file.
        spec: The first document, the pipeline.
        platform: The second document's settings for Kubernetes; empty if there is none.
    """

    text: str
    spec: Mapping[str, Any]
    platform: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Package":
        """Read a package.

        Raises:
            PipelineError: The file is missing, or is not a compiled pipeline.
        """
        try:
            text = path.read_text(encoding="utf-8")
            documents = list(yaml.load_all(text, Loader=_LOADER))
        except OSError as error:
            raise PipelineError(f"cannot read {path}: {error.strerror}; {_KIND}") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise PipelineError(f"cannot read {path} ({' '.join(str(error).split())}); {_KIND}") from error
        spec, *rest = documents or [None]
        if not isinstance(spec, dict) or not {"root", "components", "deploymentSpec"} <= spec.keys():
            raise PipelineError(f"{path} is not a compiled pipeline; {_KIND}")
        kubernetes = (rest[0] or {}).get("platforms", {}).get("kubernetes", {}) if rest else {}
        return cls(text, spec, kubernetes)

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Every task, at any depth."""
        return tuple(self._below(self.spec["root"]["dag"], ()))

    def _below(self, dag: Mapping[str, Any], above: tuple[Task, ...]) -> Iterator[Task]:
        for name, spec in dag["tasks"].items():
            component = self.spec["components"][spec["componentRef"]["name"]]
            task = Task(name, spec, component, above)
            yield task
            if "dag" in component:
                yield from self._below(component["dag"], (*above, task))

    @cached_property
    def pods(self) -> dict[str, Pod]:
        """Every executor that starts a container, by name."""
        settings = self.platform.get("deploymentSpec", {}).get("executors", {})
        executors = self.spec["deploymentSpec"].get("executors", {})
        return {
            name: Pod(name.removeprefix("exec-"), each["container"], settings.get(name, {}))
            for name, each in executors.items()
            if "container" in each
        }

    @cached_property
    def steps(self) -> tuple[tuple[Task, Pod], ...]:
        """Every task that starts a container, with its pod."""
        return tuple((task, self.pods[task.executor]) for task in self.tasks if task.executor in self.pods)

    @property
    def facts(self) -> PackageFacts | None:
        """The facts that the package was compiled with; None for a package that merflow did not compile."""
        found = (PackageFacts.read(pod.variables) for _, pod in self.steps if VARIABLE in pod.variables)
        return next(found, None)

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Definitions of the parameters of a run, by name."""
        found: dict[str, dict[str, Any]] = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return found

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text of both documents with its dotted location."""
        yield from _texts(self.spec, "")
        yield from _texts(self.platform, "platforms.kubernetes")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - parsed YAML
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{where}.{number}")

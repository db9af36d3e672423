"""The rules by id, and their application to a package."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from merflow.errors import PipelineError, nearest
from merflow.pipelines.lint import graph, images, pods, secrets, sizes
from merflow.pipelines.lint.package import Package

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        find: Yields the places where a package breaks the rule, each with the problem.
        remedy: One thing to do about it.
        severity: ``error`` for failures and leaks, ``warning`` for settings that may suit some clusters.
    """

    find: Callable[[Package], Iterator[tuple[str, str]]]
    remedy: str
    severity: Severity = "error"


@dataclass(frozen=True)
class Finding:
    """One place where a package breaks a rule."""

    rule: str
    severity: Severity
    where: str
    problem: str
    remedy: str

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON for machines."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.severity} {self.rule}: {self.where} {self.problem}; {self.remedy}"


RULES: dict[str, Rule] = {
    "dict-items": Rule(graph.dict_items, "loop over strings, each the JSON of one item"),
    "nested-loops": Rule(graph.nested_loops, "loop once over the list of all pairs"),
    "loop-in-exit-handler": Rule(graph.loops_in_exit_handlers, "end with a step that ignores failures instead"),
    "importer-in-loop": Rule(graph.importers_in_loops, "import before the loop"),
    "loop-takes-parameter": Rule(graph.loops_with_output_parameters, "put the value into the item"),
    "items-of-named-output": Rule(graph.items_of_named_outputs, "name the output of the items Output"),
    "condition-on-named-output": Rule(graph.conditions_on_named_outputs, "give the step a single output"),
    "optional-artifact": Rule(graph.optional_artifacts, "always hand on an artifact, an empty one if need be"),
    "retries-of-graph": Rule(graph.retries_of_graphs, "set the retries of its steps"),
    "many-tasks": Rule(graph.many_tasks, "split the graph into pipelines within it"),
    "cached-first-step": Rule(graph.cached_first_steps, "call set_caching_options(enable_caching=False)"),
    "memory-limit": Rule(pods.memory_limits, "set memory_gib in cluster.pods"),
    "cpu-request": Rule(pods.cpu_requests, "set cpu_request in cluster.pods"),
    "gpu-count": Rule(pods.gpu_counts, "set cluster.accelerator to a resource name such as nvidia.com/gpu"),
    "gpu-toleration": Rule(pods.gpu_tolerations, "set cluster.gpu_tolerations if GPU nodes have taints", "warning"),
    "gpu-timeout": Rule(pods.gpu_timeouts, "set timeout_h in cluster.pods", "warning"),
    "gpu-retry": Rule(pods.gpu_retries, "set retries in cluster.pods", "warning"),
    "gpu-eviction": Rule(pods.gpu_evictions, "compile it with this version of merflow, which sets them"),
    "retry-window": Rule(pods.retry_windows, "set backoff_max_duration to (retries + 1) x timeout and all backoffs"),
    "access-modes": Rule(pods.access_modes, "add accessModes: [ReadWriteMany] to pvcSpecPatch"),
    "scratch-folder": Rule(pods.scratch_folders, "compile it with cluster.workspace, and cluster.pvc none"),
    "constant-name": Rule(pods.constant_names, "write the name as a constant"),
    "image-tag": Rule(images.tags, "name it by digest in cluster.image, as REGISTRY/NAME@sha256:DIGEST", "warning"),
    "image-registry": Rule(images.registries, "name it with its registry in cluster.image", "warning"),
    "one-image": Rule(images.one_image, "compile all steps with one cluster.image"),
    "installs-at-start": Rule(images.installations, "put the packages into the image"),
    "wrong-params": Rule(images.wrong_params, "compile it with this version of merflow"),
    "no-compiler": Rule(images.compilers, 'set training.compile to "off", or cluster.compiler to true'),
    "sqlite-on-volume": Rule(images.sqlite_on_volumes, "name a server or database"),
    "password-in-uri": Rule(secrets.passwords, "leave the password out, and give it through cluster.secrets"),
    "secret-variable": Rule(secrets.secret_variables, "give it through cluster.secrets"),
    "long-argument": Rule(sizes.arguments, "move the code of the step into the image"),
    "collected-size": Rule(sizes.collected_inputs, "collect short strings, and keep the files in the workspace"),
    "artifact-list": Rule(sizes.artifact_lists, "hand on strings, and keep the files in the workspace"),
    "package-size": Rule(sizes.package_bytes, "split the pipeline"),
    "long-default": Rule(sizes.parameter_defaults, "give the value at submission, or in the image"),
}


def lint(package: Package, *, allowed: Collection[str] = ()) -> list[Finding]:
    """Return all findings, errors first, in the order of the rules.

    Args:
        package: The package.
        allowed: Ids of rules that may be broken.

    Raises:
        PipelineError: An id is unknown.
    """
    for name in allowed:
        if name not in RULES:
            raise PipelineError(f"unknown rule {name!r}; {nearest(name, RULES)}")
    findings = [
        Finding(name, rule.severity, where, problem, rule.remedy)
        for name, rule in RULES.items()
        if name not in allowed
        for where, problem in rule.find(package)
    ]
    return sorted(findings, key=lambda finding: finding.severity)

"""Rules about sizes: Linux's limit for one argument, and the limits of KFP and Argo for packages and parameters."""

from collections.abc import Iterator

from merflow.pipelines.lint.package import Package, Task

Problems = Iterator[tuple[str, str]]

ARGUMENT_BYTES = 128 * 1024  # MAX_ARG_STRLEN of Linux
FOLDS = 1000  # number that a package must be able to collect
_ARTIFACT_BYTES = 560  # one artifact in the argument --executor_input: URI, type, metadata
_STRING_BYTES = 100
_PACKAGE_BYTES = 700_000  # of a workflow's 1 MiB in etcd
_PARAMETER_CHARACTERS = 10_000


def arguments(package: Package) -> Problems:
    """Yield steps that are started with an argument longer than Linux allows."""
    for task, pod in package.steps:
        longest = max((len(each.encode()) for each in pod.arguments), default=0)
        if longest >= ARGUMENT_BYTES:
            yield task.path, f"has an argument of {longest} bytes; Linux takes {ARGUMENT_BYTES}"


def collected_inputs(package: Package) -> Problems:
    """Yield steps whose single argument could not hold the outputs of a thousand folds."""
    loops = {task.name for task in package.tasks if task.is_loop}
    for task, _ in package.steps:
        size = FOLDS * sum(_collected(task, loops))
        if size >= ARGUMENT_BYTES:
            yield task.path, f"collects about {size} bytes of {FOLDS} folds; an argument takes {ARGUMENT_BYTES}"


def _collected(task: Task, loops: set[str]) -> Iterator[int]:
    """Yield the bytes per fold of each input that a loop's steps produce."""
    for source in task.inputs("artifacts").values():
        if source.get("taskOutputArtifact", {}).get("producerTask") in loops:
            yield _ARTIFACT_BYTES
    for source in task.inputs("parameters").values():
        if source.get("taskOutputParameter", {}).get("producerTask") in loops:
            yield _STRING_BYTES


def artifact_lists(package: Package) -> Problems:
    """Yield steps that take lists of artifacts: KFP downloads each of them into the pod."""
    for task, _ in package.steps:
        for name, each in task.defined("artifacts").items():
            if each.get("isArtifactList"):
                yield task.path, f"takes the list of artifacts {name}"


def package_bytes(package: Package) -> Problems:
    """Yield a package that Argo cannot store."""
    size = len(package.text.encode())
    if size > _PACKAGE_BYTES:
        yield "package", f"has {size} bytes; Argo stores about {_PACKAGE_BYTES}"


def parameter_defaults(package: Package) -> Problems:
    """Yield parameters whose default is longer than KFP allows."""
    for name, each in package.parameters.items():
        length = len(str(each.get("defaultValue", "")))
        if length > _PARAMETER_CHARACTERS:
            yield f"parameter {name}", f"has a default of {length} characters; KFP takes {_PARAMETER_CHARACTERS}"

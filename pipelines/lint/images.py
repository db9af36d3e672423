"""Rules about images."""

from collections.abc import Iterator

from merflow.contracts.kubernetes_names import image_digest, image_registry
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params, with_changes
from merflow.errors import ParamsError
from merflow.pipelines.lint.package import Package

Problems = Iterator[tuple[str, str]]

_INSTALLERS = ("pip install", "pip3 install", "apt-get install", "ensurepip")


def tags(package: Package) -> Problems:
    """Yield images by tag: the tag may be pushed again, and nodes then run different code."""
    return ((image, "has no digest") for image in _images(package) if image_digest(image) is None)


def registries(package: Package) -> Problems:
    """Yield images without a registry, which most clusters cannot pull."""
    return ((image, "names no registry") for image in _images(package) if image_registry(image) is None)


def one_image(package: Package) -> Problems:
    """Yield the images of a package whose steps run different ones."""
    images = _images(package)
    if len(images) > 1:
        yield ", ".join(images), "are the images of one package"


def installations(package: Package) -> Problems:
    """Yield steps that install packages when they start."""
    for task, pod in package.steps:
        if any(installer in argument for argument in pod.arguments for installer in _INSTALLERS):
            yield task.path, "installs packages when it starts"


def compilers(package: Package) -> Problems:
    """Yield the setting that compiles models, if the image has no compiler."""
    params, facts = _params(package), package.facts
    if params is not None and params.training.compile != "off" and not (facts and facts.compiler):
        yield "parameter params", f"has training.compile {params.training.compile}, and the image has no compiler"


def sqlite_on_volumes(package: Package) -> Problems:
    """Yield the settings that keep a database on the volume that all pods share, or in one pod's scratch folder."""
    params, facts = _params(package), package.facts
    scratch = facts is not None and facts.scratch
    if params is None or not (scratch or any(pod.settings.get("pvcMount") for _, pod in package.steps)):
        return
    where = "in the scratch folder of a pod" if scratch else "on the shared volume"
    if params.tracking.uri == "auto":
        yield "parameter params", f"has tracking.uri auto, SQLite {where}"
    if params.tuning.storage == "auto" and any(task.name == "open-study" for task in package.tasks):
        yield "parameter params", f"has tuning.storage auto, SQLite {where}"


def wrong_params(package: Package) -> Problems:
    """Yield a default of merflow's parameters that its steps could not read."""
    try:
        _parsed(package)
    except ParamsError as error:
        yield "parameter params", f"cannot be read: {' '.join(str(error).split())}"


def _images(package: Package) -> list[str]:
    return sorted({str(pod.container.get("image", "")) for pod in package.pods.values()})


def _params(package: Package) -> Params | None:
    """Return merflow's parameters as a run gets them by default; None for another's package, and for wrong ones."""
    try:
        return _parsed(package)
    except ParamsError:
        return None


def _parsed(package: Package) -> Params | None:
    definition = package.parameters.get("params")
    if definition is None or "models" not in package.parameters:
        return None
    return with_changes(shipped_params(), str(definition.get("defaultValue", "")))

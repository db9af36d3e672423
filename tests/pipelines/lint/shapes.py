"""Pipelines with constructs that break on a cluster, compiled by KFP itself."""

import warnings
from pathlib import Path
from typing import NamedTuple

from kfp import dsl, kubernetes
from kfp.compiler import Compiler
from kfp.dsl import Dataset, Input, Model, Output

from merflow.pipelines.lint.package import Package


@dsl.component(base_image="a:1", install_kfp_package=False)
def work(text: str) -> str:
    """Return the text."""
    return text


@dsl.component(base_image="a:1", install_kfp_package=False)
def decide(text: str) -> NamedTuple("Decision", [("flag", bool), ("items", list[str])]):  # type: ignore[valid-type]
    """Return named outputs."""
    return (bool(text), [text])


@dsl.component(base_image="a:1", install_kfp_package=False)
def make(text: str, model: Output[Model], base: Input[Model] | None = None) -> None:
    """Make a model, perhaps from another."""


@dsl.component(base_image="a:1", install_kfp_package=False)
def compare(models: Input[list[Model]]) -> None:
    """Compare models."""


@dsl.component(base_image="a:1", packages_to_install=["requests"])
def fetch(text: str) -> None:
    """Do nothing, with a package that is installed first."""


@dsl.pipeline(name="items")
def items(pairs: list[dict[str, str]], secret: str) -> None:
    """Loop over mappings, within a loop, over a named output, and next to another's output."""
    decided = decide(text="a")
    single = work(text="b")
    with dsl.ParallelFor([{"key": "1"}]) as item:
        work(text=item.key)
    with dsl.ParallelFor(pairs) as pair:
        work(text=pair.key)
        with dsl.ParallelFor(["a"]) as inner:
            work(text=inner)
    with dsl.ParallelFor(decided.outputs["items"]) as found:
        work(text=single.output).after(work(text=found))
        kubernetes.use_secret_as_env(work(text="c"), secret_name=secret, secret_key_to_env={"password": "PGPASSWORD"})
    with dsl.If(decided.outputs["flag"] == True):  # noqa: E712 - KFP needs the operator
        work(text="d")


@dsl.pipeline(name="handled")
def handled() -> None:
    """Loop within an exit handler."""
    with dsl.ExitHandler(work(text="end")), dsl.ParallelFor(["a", "b"]) as item:
        work(text=item)


@dsl.pipeline(
    name="collected",
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(
            size="1Gi", kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"storageClassName": "fast"})
        )
    ),
)
def collected() -> None:
    """Import within a loop, collect artifacts, retry a pipeline within this one, install, and use KFP's workspace."""
    with dsl.ParallelFor(["a", "b"]) as item:
        dsl.importer(artifact_uri=item, artifact_class=Dataset)
        made = make(text=item)
    compare(models=dsl.Collected(made.outputs["model"]))
    fetch(text=dsl.WORKSPACE_PATH_PLACEHOLDER)
    handled().set_retry(2)


def compiled(pipeline: object, folder: Path) -> Package:
    """Return a pipeline's package."""
    path = folder / "package.yaml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Compiler().compile(pipeline, str(path))
    return Package.read(path)

"""Facts about the package that a run was started from, checked by the step that plans the run.

The parameters of a run may need something that its package does not have: a GPU for a step, a compiler, a database that
pods on several nodes can share. The package passes the facts to that step in the environment variable :data:`VARIABLE`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from merflow.contracts.cluster import WORKSPACE
from merflow.contracts.dvc_versions import DvcVersions
from merflow.contracts.gpu_steps import SECTIONS
from merflow.contracts.kubernetes_names import NONE
from merflow.contracts.params import Params
from merflow.contracts.passwords import masked, without_password
from merflow.contracts.strict import Strict, parse_json
from merflow.errors import ParamsError

VARIABLE = "MERFLOW_PACKAGE"
_REMEDIES = {"transcribe": "--transcribe", "extract": "--set features.profile=PROFILE"}


class PackageFacts(Strict):
    """The facts.

    Attributes:
        gpus: GPUs by step; empty for a cluster without GPUs.
        shared_volume: True if pods on several nodes share a volume.
        scratch: True if the workspace is in S3, and each pod has a scratch folder that is deleted with it.
        compiler: True if the image has a C compiler.
        code: Digest of the code of every step that the package was compiled from; empty to run any code.
        dvc: Versions of the DVC project in which the package was compiled; None without one.
        wait_h: Hours that the step which waits for an approval may take; 0 for no limit.
    """

    gpus: dict[str, int]
    shared_volume: bool
    scratch: bool
    compiler: bool
    code: dict[str, str]
    dvc: DvcVersions | None = None
    wait_h: float = 0.0

    @classmethod
    def of(
        cls, params: Params, *, gpus: Mapping[str, int], code: Mapping[str, str], dvc: DvcVersions | None = None
    ) -> "PackageFacts":
        """Return the facts of a package that is compiled with these parameters."""
        cluster = params.cluster
        given = {} if cluster.accelerator == NONE else dict(gpus)
        return cls(
            gpus=given,
            shared_volume=cluster.pvc != NONE,
            scratch=cluster.workspace != NONE,
            compiler=cluster.compiler,
            code=dict(code),
            dvc=dvc,
            wait_h=cluster.pods.other.timeout_h,
        )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "PackageFacts | None":
        """Return the facts in an environment; None for a run without a package, on one machine."""
        text = environment.get(VARIABLE)
        return None if text is None else parse_json(cls, text, where=VARIABLE)


def refuse(params: Params, facts: PackageFacts, *, used: Mapping[str, int], tunes: bool) -> None:
    """Raise if the parameters of a package, or of a run from it, cannot work there.

    Args:
        params: The parameters.
        facts: The facts of the package.
        used: GPUs by step that will be used, see :func:`merflow.contracts.gpu_steps.gpus_used`.
        tunes: True for a study, which needs a database.

    Raises:
        ParamsError: With every reason.
    """
    reasons = [*_passwords(params), *_not_shared(params, facts, tunes=tunes), *_outside(params, facts)]
    reasons += _not_given(facts, used)
    if params.training.compile != "off" and not facts.compiler:
        reasons.append(
            f"training.compile {params.training.compile} needs a C compiler in the image, which merflow's own has not; "
            'set it to "off", or add a compiler to the image and set cluster.compiler to true'
        )
    if reasons:
        raise ParamsError(
            "\n".join(["these parameters cannot work on the cluster:", *(f"  {each}" for each in reasons)])
        )


def refuse_passwords(params: Params) -> None:
    """Raise if a parameter has a password, because a pipeline keeps and shows its parameters.

    Raises:
        ParamsError: With every such parameter.
    """
    if reasons := list(_passwords(params)):
        raise ParamsError("\n".join(reasons))


def _passwords(params: Params) -> Iterator[str]:
    for key, value in _texts(params.model_dump()):
        if without_password(value)[1] is not None:
            yield (
                f"{key} {masked(value)!r} has a password, which a pipeline would keep among its parameters; leave it "
                "out, and give it to every step in PGPASSWORD or ~/.pgpass, on a cluster through cluster.secrets"
            )


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - parsed YAML
    """Yield every text among the values, with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{key}.{number}")


def _not_shared(params: Params, facts: PackageFacts, *, tunes: bool) -> Iterator[str]:
    if not facts.shared_volume and not facts.scratch:
        return
    why = "would be SQLite on a volume that pods on several nodes write to, which damages it"
    if facts.scratch:
        why = "would be SQLite in the scratch folder of a pod, which is deleted with it"
    if params.tracking.uri == "auto":
        yield f"tracking.uri auto {why}; set it to a server's URI, for example http://mlflow.mlops:5000, or to none"
    if tunes and params.tuning.storage == "auto":
        yield f"tuning.storage auto {why}; set it to a database, for example postgresql://optuna@postgres.mlops/optuna"


def _outside(params: Params, facts: PackageFacts) -> Iterator[str]:
    store = params.features.store
    if facts.scratch and store and not Path(store).is_relative_to(WORKSPACE):
        yield (
            f"features.store {store!r} is not in the workspace, whose files alone pods share through S3; leave it "
            f"empty, or name a folder below {WORKSPACE}"
        )


def _not_given(facts: PackageFacts, used: Mapping[str, int]) -> Iterator[str]:
    for step, option in _REMEDIES.items():
        if used[step] and facts.gpus.get(step) == 0:
            yield (
                f"step {step} would use a GPU, but the package requests none for it; compile the pipeline again with "
                f"{option}, or set {SECTIONS[step]}.device to cpu"
            )

"""Registered versions for tests: a minimal pyfunc model from code, with a package that says it is one."""

import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path

from merflow.contracts.model_package import CARD_HTML, CARD_MD
from merflow.contracts.registered_version import RegisteredVersion
from merflow.promotion.registry.decision import Decide, Decision
from merflow.promotion.registry.registry import Registry, register_version
from tests.promotion.packages import package, write_folder

_MODEL = """
import mlflow
from mlflow.pyfunc import PythonModel


class Constant(PythonModel):
    def predict(self, context, model_input, params=None):
        return [0.0] * len(model_input)


mlflow.models.set_model(Constant())
"""


def logged_model(
    uri: str,
    folder: Path,
    *,
    card: bool = True,
    pickled: bool = False,
    skill: float = 1.0,
    experiment: str = "models",
    **changes: object,
) -> tuple[str, str]:
    """Log a model with a package in it; return its URI and its run.

    Args:
        uri: The server or database.
        folder: A folder for its files.
        card: False to leave the card out.
        pickled: True to plant a pickle.
        skill: Logit of being right, of the predictions in the package.
        experiment: Name of the experiment.
        changes: Facts of the package that differ.
    """
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(_MODEL)
    write_folder(folder / "package", skill=skill, **changes)  # type: ignore[arg-type]
    if pickled:
        (folder / "package" / "members").mkdir()
        (folder / "package" / "members" / "model.pkl").write_bytes(pickle.dumps({}))
    if not card:
        for name in (CARD_MD, CARD_HTML):
            (folder / "package" / name).unlink()
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        found = mlflow.get_experiment_by_name(experiment)
        made = found.experiment_id if found else mlflow.create_experiment(experiment, _root(uri, folder))
        with mlflow.start_run(experiment_id=made) as run:
            mlflow.log_metric("test_UA", 0.61)
            model = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(folder / "model.py"),
                artifacts={"package": str(folder / "package")},
                pip_requirements=["mlflow"],
            )
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
    return str(model.model_uri), str(run.info.run_id)


def _root(uri: str, folder: Path) -> str | None:
    return None if uri.startswith("http") else (folder / "artifacts").resolve().as_uri()


def register(
    registry: Registry, model: tuple[str, str], *, variant: str = "mfdr:full", description: str = "A card"
) -> int:
    """Register the logged model once more."""
    return register_version(
        registry.connection,
        registry.name,
        model_uri=model[0],
        run_id=model[1],
        package=package(variant=variant),
        description=description,
        who=registry.trail.who,
    )


@dataclass(frozen=True)
class Verdict:
    """A made-up decision; the gate has its own tests."""

    promoted: bool = True
    passed: bool = True
    forced: str = ""
    verdict: str = "all checks passed."
    sentences: tuple[str, ...] = field(default=("all checks passed.",))

    def model_dump_json(self) -> str:
        """Return itself as JSON."""
        return f'{{"promoted": {str(self.promoted).lower()}, "verdict": "{self.verdict}"}}'


REFUSED = Verdict(promoted=False, passed=False, verdict="2 checks failed.", sentences=("2 checks failed.", "mend it"))


def says(decision: Decision) -> Decide:
    """Return a gate that always decides so."""

    def decide(_candidate: RegisteredVersion, _champion: RegisteredVersion | None) -> Decision:
        return decision

    return decide


YES = says(Verdict())

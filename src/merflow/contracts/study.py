"""The files of a hyperparameter study: its subject, the settings that its workers share, and its outcome."""

from pathlib import Path
from typing import Any

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.params import TrainingParams, TuningParams
from merflow.contracts.passwords import without_password
from merflow.contracts.protocols import Protocol
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import Role
from merflow.contracts.strict import Strict

FORMAT = 3
_REMEDY = "run the same `merflow tune` command again; finished trials stay in the study"

# A setting's value in a trial.
Value = bool | int | float | str | None


class DecidingTraining(Strict):
    """Training parameters that a trial's figure depends on; the rest of them changes no figure.

    Attributes:
        device: ``cpu`` or ``cuda``.
    """

    precision: str
    max_epochs: int | None
    compile: str
    modality_dropout: float
    device: str


class StudySubject(Strict):
    """Everything that a trial's figure depends on apart from its own values; trials of two subjects are never compared.

    Attributes:
        variant: ``model:preset``, the preset whose settings are tuned.
        config: The preset's switches of the model's config.
        recipes: The preset's recipes of the trained stages, by ``stage 1`` and so on.
        space: The tuned settings by dotted name, with their bounds or choices.
        objective: The figure that is maximized.
        selection: The rule that chooses the epoch in each fold.
        folds: Folds whose development figure is averaged, counted from 1.
        seed: Seed of the sampler and of every training.
        transcripts: Kind of transcripts that the model reads; None if it reads none.
    """

    variant: str
    config: dict[str, Any]
    recipes: dict[str, Recipe]
    space: dict[str, dict[str, Any]]
    objective: str
    selection: str
    folds: tuple[int, ...]
    seed: int
    protocol: Protocol
    split_id: str
    manifest_hash: str
    profile: str
    encoder_keys: dict[Role, str]
    transcripts: str | None
    training: DecidingTraining

    @property
    def figure(self) -> str:
        """The name of the figure that is maximized: ``UA`` of classes, ``CCC`` of scores."""
        return self.objective.rpartition(" ")[2]

    def shown(self, value: float) -> str:
        """Return a value of that figure for people: UA in percent, CCC as it is."""
        return f"{100 * value:.1f}%" if self.figure == "UA" else f"{value:.3f}"


class SearchFile(Strict):
    """The settings that every worker of a study starts from; no password is in them.

    Attributes:
        url: SQLAlchemy's URL of the study's database.
        name: The study's name in the database.
    """

    url: str
    name: str
    tuning: TuningParams
    training: TrainingParams
    subject: StudySubject


class StudyRunFile(Strict):
    """The study's run in MLflow, so that any process can find it.

    Attributes:
        uri: Server or database; None if nothing is tracked.
        name: The run's name for people.
        study_id: Equal in every process and every repetition of the study.
    """

    uri: str | None
    experiment: str
    name: str
    study_id: str
    tags: dict[str, str]
    params: dict[str, Any]


class TrialResult(Strict):
    """One complete trial.

    Attributes:
        trial: Its number, counted from 0.
        figure: Mean over the folds of the figure that the study maximizes, at most 1.
        folds: That figure by fold.
        values: The tried settings by dotted name.
        seconds: Wall time of the trial; None if the database does not know it.
    """

    trial: int
    figure: float
    folds: dict[int, float]
    values: dict[str, Value]
    seconds: float | None


class StudyResults(Strict):
    """The outcome of a study.

    Attributes:
        preset: The variant that the best trial became.
        subject: See :class:`StudySubject`.
        trials: Number of trials by state: complete, pruned, diverged, failed, running, waiting.
        untuned: The trial with the preset's own values; None if it was not completed.
        ranked: The best complete trials, the best first.
        importance: Share of the variance among complete trials by setting; empty if there are too few trials to tell.
    """

    preset: str
    subject: StudySubject
    trials: dict[str, int]
    untuned: TrialResult | None
    ranked: tuple[TrialResult, ...]
    importance: dict[str, float]

    @property
    def best(self) -> TrialResult:
        """The trial with the highest figure."""
        return self.ranked[0]

    @property
    def settings(self) -> tuple[str, ...]:
        """Dotted names of the settings that any of the ranked trials has; those of the model's config are the last."""
        names = {name for trial in self.ranked for name in trial.values}
        return tuple(sorted(names, key=lambda name: (name.startswith("config."), name)))


def write_search_file(path: Path, content: SearchFile) -> None:
    """Write the file, with the password of ``tuning.storage`` left out.

    Raises:
        OutputError: The file cannot be written.
    """
    storage, _ = without_password(content.tuning.storage)
    tuning = content.tuning.model_copy(update={"storage": storage})
    write_typed(path, content.model_copy(update={"tuning": tuning}), number=FORMAT)


def read_search_file(path: Path) -> SearchFile:
    """Read what :func:`write_search_file` wrote.

    Raises:
        FormatError: Another version of merflow wrote the file, or it is damaged.
        MerflowError: The file is missing or is not JSON.
    """
    return read_typed(SearchFile, path, number=FORMAT, remedy=_REMEDY)


def write_study_run(path: Path, content: StudyRunFile) -> None:
    """Write the file.

    Raises:
        OutputError: The file cannot be written.
    """
    write_typed(path, content, number=FORMAT)


def read_study_run(path: Path) -> StudyRunFile:
    """Read what :func:`write_study_run` wrote.

    Raises:
        FormatError: Another version of merflow wrote the file, or it is damaged.
        MerflowError: The file is missing or is not JSON.
    """
    return read_typed(StudyRunFile, path, number=FORMAT, remedy=_REMEDY)


def write_study_results(path: Path, content: StudyResults) -> None:
    """Write the file.

    Raises:
        OutputError: The file cannot be written.
    """
    write_typed(path, content, number=FORMAT)


def read_study_results(path: Path) -> StudyResults:
    """Read what :func:`write_study_results` wrote.

    Raises:
        FormatError: Another version of merflow wrote the file, or it is damaged.
        MerflowError: The file is missing or is not JSON.
    """
    return read_typed(StudyResults, path, number=FORMAT, remedy=_REMEDY)

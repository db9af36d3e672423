"""Predictors of packages and of folds, with the facts about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.calibration_record import AnyCalibration
from merflow.contracts.heard import ScoreScale
from merflow.contracts.model_package import CARD_MD
from merflow.contracts.numerals import plural
from merflow.contracts.package_files import weights_digest
from merflow.contracts.params_files import shipped_params
from merflow.contracts.progress import plain_lines
from merflow.contracts.registered_version import RegisteredVersion
from merflow.contracts.score_results import read_any_results
from merflow.contracts.task import Regression
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.errors import FeatureError, MerflowError, ServingError
from merflow.evaluation.model_calibration import COVERAGE
from merflow.inference.ensemble import Ensemble, load_ensemble
from merflow.inference.packaged_model import load_package
from merflow.opening.package_identity import identity_of
from merflow.promotion.packaging.evidence import calibration_of
from merflow.runs.fold_folder import MODEL
from merflow.runs.run_folder import RESULTS, RunFolder, TrainedFold
from merflow.runs.variant_names import named
from merflow.serving.clip_checks import ClipChecks
from merflow.serving.predictor import Predictor, ServedModel
from merflow.serving.speech import SpeechDetector

_Seconds = tuple[float, float]


@dataclass(frozen=True)
class Placement:
    """Folder of the pretrained encoders, and the device that predicts."""

    encoders_folder: str
    device: str


def of_package(folder: Path, placement: Placement, *, version: RegisteredVersion | None = None) -> Predictor:
    """Load a package. Its registered version, if any, is given or named in the file next to a fetched package.

    Raises:
        MerflowError: See :func:`merflow.inference.packaged_model.load_package`.
    """
    loaded = load_package(folder, encoders_folder=placement.encoders_folder, device=placement.device)
    identity, card = identity_of(folder, loaded.package, version=version), folder / CARD_MD
    text = card.read_text(encoding="utf-8") if card.is_file() else None
    facts = _facts(loaded, name=identity.name, version=identity.version, title=identity.title, card=text)
    return Predictor(loaded, facts, checks=_checks(loaded, seconds=loaded.package.training_seconds))


def of_model_folder(folder: Path, placement: Placement) -> Predictor:
    """Load a single model folder whose development data are unknown.

    Raises:
        MerflowError: See :func:`merflow.inference.ensemble.load_ensemble`.
    """
    loaded = load_ensemble(
        [folder], calibration=None, encoders_folder=placement.encoders_folder, device=placement.device
    )
    record = loaded.members[0].record
    facts = _facts(
        loaded,
        name=record.variant,
        version=weights_digest([folder]),
        title=f"fold {record.fold} of {record.variant}",
        remark="it stands alone, without its development data",
    )
    return Predictor(loaded, facts, checks=_checks(loaded, seconds=None))


def of_folds(run: RunFolder, placement: Placement) -> Predictor:
    """Load the folds of a run's best variant as an ensemble, or its only fold.

    Raises:
        ServingError: The run has several variants and no results.
        MerflowError: See :func:`merflow.inference.ensemble.load_ensemble`.
    """
    folds = _best_folds(run)
    calibration, remark, seconds = _calibrated(run, folds, device=placement.device)
    loaded = load_ensemble(
        [fold.folder / MODEL for fold in folds],
        calibration=calibration,
        encoders_folder=placement.encoders_folder,
        device=placement.device,
    )
    record = folds[0].record
    made = f"fold {record.fold}" if len(folds) == 1 else f"an ensemble of {plural(len(folds), 'fold model')}"
    facts = _facts(
        loaded,
        name=record.variant,
        version=weights_digest([fold.folder / MODEL for fold in folds]),
        title=f"{record.variant}, {made} of {run.name}",
        remark=remark,
    )
    return Predictor(loaded, facts, checks=_checks(loaded, seconds=seconds))


def _best_folds(run: RunFolder) -> tuple[TrainedFold, ...]:
    """Return the folds of the best variant in the order of fold and seed."""
    variants = named(run.folds.values())
    if (run.root / RESULTS).is_file():
        best = read_any_results(run.root / RESULTS).best
    elif len(variants) == 1:
        (best,) = variants
    else:
        raise ServingError(
            f"{run.root} is not finished ({RESULTS} is missing), so its best variant is unknown; finish it with the "
            "command that began it, or name the folder of one fold"
        )
    return tuple(sorted(variants[best], key=lambda fold: (fold.record.fold, fold.record.seed)))


def _calibrated(
    run: RunFolder, folds: Sequence[TrainedFold], *, device: str
) -> tuple[AnyCalibration | None, str, _Seconds | None]:
    """Return the calibration, the reason if there is none, and the durations of the shortest and longest utterance.

    If something needed for calibration is missing, that is a remark and not an error: the folds can still predict.
    """
    seconds = None
    progress = plain_lines()
    try:
        path = run.manifest()
        manifest = read_manifest(path)
        seconds = _seconds(manifest, labelled=folds[0].record.task.column)
        results = run.root / RESULTS
        evaluation = read_any_results(results).evaluation if results.is_file() else shipped_params().evaluation
        calibration = calibration_of(
            folds,
            manifest,
            files={"manifest": path, "splits": run.splits(), "features": run.features(folds[0].record)},
            bins=evaluation.calibration_bins,
            coverage=COVERAGE,
            device=device,
            fold_done=lambda done, total: progress("calibrate folds", done, total),
        )
    except MerflowError as error:
        return None, str(error).partition(";")[0], seconds
    return calibration, "", seconds


def _seconds(manifest: Manifest, *, labelled: str) -> _Seconds | None:
    """Return the duration of the shortest and longest utterance with a label; None if none is known.

    Args:
        manifest: The manifest.
        labelled: Column of the labels.
    """
    seconds = durations_s(manifest.rows)[manifest.rows[labelled].notna()].dropna()
    return (float(seconds.min()), float(seconds.max())) if len(seconds) else None


def _facts(
    loaded: Ensemble, *, name: str, version: str, title: str, card: str | None = None, remark: str = ""
) -> ServedModel:
    calibrated, task = loaded.calibration is not None, loaded.task
    scale = ScoreScale(task=task.name, low=task.low, high=task.high) if isinstance(task, Regression) else None
    return ServedModel(
        name=name,
        version=version,
        title=title,
        classes=loaded.classes,
        modalities=loaded.modalities,
        calibrated=calibrated,
        abstains=calibrated,
        card=card,
        remark=remark,
        scale=scale,
    )


def _checks(loaded: Ensemble, *, seconds: _Seconds | None) -> ClipChecks:
    try:
        SpeechDetector()
        finds_speech = True
    except FeatureError:  # silero-vad is not installed
        finds_speech = False
    return ClipChecks(
        silence_dbfs=shipped_params().corpus.silence_dbfs,
        training_seconds=seconds,
        hears="audio" in loaded.modalities,
        finds_speech=finds_speech,
        usual_distances={} if loaded.calibration is None else loaded.calibration.usual_distances,
    )

"""The folder of a finished benchmark, whether plain jobs or a pipeline ran it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merflow.contracts.classics import CLASSIC_RECORD, read_classics
from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.invocation import read_invocation
from merflow.contracts.presets import variant_of
from merflow.contracts.score_results import read_any_results
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import EvaluationError, MerflowError
from merflow.runs.fold_folder import RECORD, folds_below, read_record

RESULTS = "results.json"
# Folders that hold copies, unfinished folds or data, and no results.
_IGNORED = ("mlartifacts", "mlruns", "checkpoints", "store", "corpus", "benchmarks")
# Names of these files in the folder of plain jobs, and among a pipeline's artifacts.
_MANIFESTS, _SPLITS = ("manifest.parquet", "transcribed", "validated"), ("splits.parquet", "splits")
_FEATURES = ("features.json", "features")
# Records of classics, of plain jobs and among a pipeline's artifacts.
_CLASSICS = (f"classics/*/{CLASSIC_RECORD}", f"kfp/**/classics/*/{CLASSIC_RECORD}")
# Pipelines of earlier versions nest deepest: their fold folders are this many levels below the run's, in kfp/.
_LEVELS = 5


@dataclass(frozen=True)
class TrainedFold:
    """One fold of a finished benchmark."""

    folder: Path
    record: FoldRecord


@dataclass(frozen=True)
class RunFolder:
    """A finished benchmark.

    Attributes:
        folds: Trained folds by id, ``model:preset:fold``.
        name: Name of the run.
        command: The command that made it; None if the folder does not say.
    """

    root: Path
    folds: Mapping[str, TrainedFold]
    name: str
    command: str | None

    @property
    def split_id(self) -> str:
        """The splits of all folds."""
        return self._shared("split_id")

    @property
    def manifest_hash(self) -> str:
        """The corpus version of all folds."""
        return self._shared("manifest_hash")

    def _shared(self, name: Literal["split_id", "manifest_hash"]) -> str:
        (first_id, first), *others = self.folds.items()
        value: str = getattr(first.record, name)
        for fold_id, fold in others:
            if getattr(fold.record, name) != value:
                raise EvaluationError(
                    f"{self.root}: fold {fold_id} has {name} {getattr(fold.record, name)}, {first_id} has {value}; "
                    "keep the folds of each in a separate folder"
                )
        return value

    def manifest(self) -> Path:
        """Find the manifest that the folds were trained on, see :func:`manifest_of`."""
        return manifest_of([self.root], manifest_hash=self.manifest_hash)

    def classics(self) -> Path | None:
        """Find the classics on the splits of the folds, see :func:`classics_of`."""
        return classics_of(self.root, split_id=self.split_id)

    def splits(self) -> Path:
        """Find the splits that the folds were trained on.

        Raises:
            EvaluationError: They are neither in the folder nor above it.
        """
        return _find([self.root], _SPLITS, "splits", self.split_id, lambda path: read_splits(path).split_id)

    def features(self, fold: FoldRecord) -> Path:
        """Find the record of the extracted features that a fold was trained on.

        Raises:
            EvaluationError: It is neither in the folder nor above it.
        """
        needed, version = set(fold.encoder_keys.values()), f"{fold.manifest_hash} with {fold.variant}"

        def identify(path: Path) -> str:
            extracted = read_extracted_features(path)
            fits = extracted.manifest_hash == fold.manifest_hash and needed <= {each.key for each in extracted.streams}
            return version if fits else ""

        return _find([self.root], _FEATURES, "features", version, identify)


def manifest_of(folders: Sequence[Path], *, manifest_hash: str) -> Path:
    """Find the manifest of a version, in the first of these runs that has it.

    Raises:
        EvaluationError: It is neither in one of the folders nor above it.
    """
    return _find(folders, _MANIFESTS, "manifest", manifest_hash, lambda path: read_manifest(path).hash)


def _find(
    folders: Sequence[Path], names: Iterable[str], what: str, version: str, identify: Callable[[Path], str]
) -> Path:
    looked_at = 0
    for path in (path for folder in folders for name in names for path in _candidates(folder, name)):
        looked_at += 1
        try:
            if identify(path) == version:
                return path
        except MerflowError:  # a file of that name that is something else
            continue
    raise EvaluationError(
        f"no {what} of version {version}, on which the folds were trained, in or above "
        f"{', '.join(map(str, folders))} ({looked_at} file(s) looked at); name the file with --{what}"
    )


def _candidates(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files with a name in a folder, then those above it, where the run of its folds has them."""
    yield from (path for path in sorted(folder.rglob(name)) if path.is_file())
    for above in folder.resolve().parents[:_LEVELS]:
        yield from (path for path in (above / name, *sorted(above.glob(f"kfp/**/{name}"))) if path.is_file())


def classics_of(folder: Path, *, split_id: str) -> Path | None:
    """Return the folder of the run's newest classics on these splits; None if there are none."""
    above = (folder, *folder.resolve().parents[:_LEVELS])
    records = {path for root in above for pattern in _CLASSICS for path in root.glob(pattern)}
    for path in sorted(records, key=lambda path: path.stat().st_mtime, reverse=True):
        classics = path.parents[1]
        if {record.split_id for record in read_classics(classics)} == {split_id}:
            return classics
    return None


def read_run(folder: Path) -> RunFolder:
    """Read the trained folds of a benchmark; if a fold was trained twice, read the newest.

    If the folder has ``results.json``, folds of other data or variants are left out, because a pipeline's folder may
    also contain folds of earlier runs.

    Raises:
        EvaluationError: The folder has no finished fold.
        FormatError: Another version of merflow trained a fold or evaluated the run.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is not a folder; name the --out folder of a finished run, such as runs/demo")
    below = [fold for fold in folds_below(folder) if not _is_ignored(fold.relative_to(folder))]
    folds = [TrainedFold(fold, read_record(fold)) for fold in below]
    results = folder / RESULTS
    if results.is_file():
        evaluated = read_any_results(results)
        folds = [
            fold
            for fold in folds
            if fold.record.split_id == evaluated.split_id
            and fold.record.manifest_hash == evaluated.manifest_hash
            and fold.record.variant in map(variant_of, evaluated.variants)
            and fold.record.seed in evaluated.seeds
        ]
    if not folds:
        raise EvaluationError(
            f"{folder} has no finished fold ({RECORD} in none of its folders); finish the run with its own command, or "
            "name the folder of a finished one"
        )
    invocation = read_invocation(folder)
    return RunFolder(
        root=folder,
        folds={str(fold.record.fold_id): fold for fold in folds},
        name=folder.resolve().name if invocation is None else invocation.name,
        command=None if invocation is None else invocation.command,
    )


def _is_ignored(path: Path) -> bool:
    return any(part in _IGNORED or part.startswith(".") for part in path.parts)

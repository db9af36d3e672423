"""What a finished benchmark left in its folder, whether plain jobs or a pipeline ran it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import EvaluationError, MerflowError
from merflow.evaluation.results import read_results
from merflow.runs import fold_folder
from merflow.runs.fold_ids import FoldId
from merflow.storage.local import read_json, write_json

RESULTS = "results.json"
_ORDER = "order.json"
# Copies and unfinished folds are no results.
_ASIDE = ("mlartifacts", "mlruns", "checkpoints", "store", "corpus")
# As plain jobs name these files, and as a pipeline's artifacts are named.
_MANIFESTS, _SPLITS = ("manifest.parquet", "transcribed", "validated"), ("splits.parquet", "splits")
# A fold's folder lies at most so far below its run's: kfp/benchmark-.../iteration/train/fold, of a pipeline.
_LEVELS = 5


@dataclass(frozen=True)
class RunFolder:
    """A finished benchmark.

    Attributes:
        folds: Item (``model:preset:fold``) -> the fold's folder.
        facts: Item -> the fold's facts.
        name: Of the run.
        command: What was run; None where nothing says.
    """

    root: Path
    folds: dict[str, Path]
    facts: dict[str, dict[str, Any]]
    name: str
    command: str | None

    @property
    def split_id(self) -> str:
        """Of all folds."""
        return str(self._one("split_id"))

    @property
    def manifest_hash(self) -> str:
        """Of all folds."""
        return str(self._one("manifest_hash"))

    def _one(self, what: str) -> object:
        first, *others = self.facts.items()
        for item, fact in others:
            if fact[what] != first[1][what]:
                raise EvaluationError(
                    f"{self.root}: fold {item} is of {what} {fact[what]}, {first[0]} of {first[1][what]}; "
                    "keep the folds of each in a folder of its own"
                )
        return first[1][what]

    def manifest(self) -> Path:
        """As :func:`manifest_of`, of the manifest that the folds were trained on."""
        return manifest_of([self.root], manifest_hash=self.manifest_hash)

    def splits(self) -> Path:
        """The splits that the folds were trained on.

        Raises:
            EvaluationError: They are neither in the folder nor above it.
        """
        return _kept([self.root], _SPLITS, "splits", self.split_id, lambda path: read_splits(path).split_id)


def manifest_of(folders: Sequence[Path], *, manifest_hash: str) -> Path:
    """The manifest of that version, from the first of these runs that keeps it.

    Raises:
        EvaluationError: It is neither in one of the folders nor above it.
    """
    return _kept(folders, _MANIFESTS, "manifest", manifest_hash, lambda path: read_manifest(path).hash)


def _kept(
    folders: Sequence[Path], names: Iterable[str], what: str, wanted: str, identify: Callable[[Path], str]
) -> Path:
    looked_at = 0
    for path in (path for folder in folders for name in names for path in _places(folder, name)):
        looked_at += 1
        try:
            if identify(path) == wanted:
                return path
        except MerflowError:  # a file of that name that is something else
            continue
    raise EvaluationError(
        f"no {what} of version {wanted} in or above {', '.join(map(str, folders))}, on which the folds were trained "
        f"({looked_at} file(s) looked at); name the file with --{what}"
    )


def _places(folder: Path, name: str) -> Iterator[Path]:
    """Files of that name in a folder, then above it, where the run of its folds keeps them."""
    yield from (path for path in sorted(folder.rglob(name)) if path.is_file())
    for above in folder.resolve().parents[:_LEVELS]:
        yield from (path for path in (above / name, *sorted(above.glob(f"kfp/**/{name}"))) if path.is_file())


def remember(folder: Path, *, name: str, command: str) -> None:
    """Keeps the run's name and command in its folder, for a later report."""
    write_json(folder / _ORDER, {"name": name, "command": command})


def read_run(folder: Path) -> RunFolder:
    """What a benchmark left; of one training that was done again, the newest.

    Where ``results.json`` is there, folds of other data than its own are left out: a pipeline keeps those of earlier
    orders.

    Raises:
        EvaluationError: There is no finished fold.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder; name that of a finished run, what --out named (runs/demo)")
    found = [path for path in folder.rglob(fold_folder.FACTS) if not _is_aside(path.relative_to(folder))]
    facts = {
        path.parent: fold_folder.read_facts(path.parent)
        for path in sorted(found, key=lambda path: path.stat().st_mtime)
    }
    results = folder / RESULTS
    if results.is_file():
        own = read_results(results, keys=["split_id", "manifest_hash", "variants", "seeds"])
        facts = {
            place: fact
            for place, fact in facts.items()
            if fact["split_id"] == own["split_id"]
            and fact["manifest_hash"] == own["manifest_hash"]
            and fact["variant"] in own["variants"]
            and fact["seed"] in own["seeds"]
        }
    if not facts:
        raise EvaluationError(
            f"{folder} has no finished fold ({fold_folder.FACTS} in none of its folders); finish the run with its own "
            "command, or name the folder of a finished one"
        )
    order = read_json(folder / _ORDER) if (folder / _ORDER).is_file() else {}
    items = {str(FoldId(fact["variant"], fact["fold"], fact["seed"])): place for place, fact in facts.items()}
    return RunFolder(
        root=folder,
        folds=items,
        facts={item: facts[place] for item, place in items.items()},
        name=order.get("name", folder.resolve().name),
        command=order.get("command"),
    )


def _is_aside(path: Path) -> bool:
    return any(part in _ASIDE or part.startswith(".") for part in path.parts)

"""Several corpora in one manifest, whose splits train on one corpus and test another.

Utterances, dialogues, speakers and sessions begin with the name of their corpus, so that no two corpora share one. The
corpora's folders are links below one root, which the paths of recordings and videos begin with: the hash of the
manifest depends on no machine.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa

from merflow.contracts.joined import CrossCorpus, Joined, JoinedCorpus
from merflow.contracts.tables import MANIFEST, conform
from merflow.contracts.task import SCALES, TaskName
from merflow.contracts.taxonomy import Taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import Splits
from merflow.corpus.splitting.summary import development_in_words
from merflow.errors import CorpusError, LabelError
from merflow.storage.local import output_errors

_NAMES = ("utterance_id", "dialogue_id", "speaker", "session")
_PATHS = ("audio_path", "video_path")
_FEWEST_CLASSES = 2


def shared_classes(manifests: Mapping[str, Manifest]) -> tuple[str, ...]:
    """Return the classes that occur in every corpus, in the order of the taxonomy.

    Args:
        manifests: Manifest per name of a corpus.

    Raises:
        LabelError: The corpora have different taxonomies, or fewer than two classes in common.
    """
    first_name, first = next(iter(manifests.items()))
    for name, manifest in manifests.items():
        if manifest.taxonomy != first.taxonomy:
            raise LabelError(
                f"{first_name} has taxonomy {first.taxonomy.name} and {name} has {manifest.taxonomy.name}; index both "
                "with one corpus.taxonomy"
            )
    found = {name: set(manifest.rows["emotion"].dropna()) for name, manifest in manifests.items()}
    shared = tuple(each for each in first.classes if all(each in classes for classes in found.values()))
    if len(shared) < _FEWEST_CLASSES:
        own = "; ".join(
            f"{name} has {', '.join(each for each in first.classes if each in classes) or 'none'}"
            for name, classes in found.items()
        )
        common = f"only the class {shared[0]}" if shared else "no class"
        raise LabelError(
            f"these corpora have {common} of taxonomy {first.taxonomy.name} in common, and two are needed: {own}; map "
            "their labels to common classes in a taxonomy file of your own (corpus.taxonomy=FILE.yaml, see "
            "docs/adding-a-corpus.md)"
        )
    return shared


def check_scores(manifests: Mapping[str, Manifest], *, task: TaskName) -> None:
    """Raise if a corpus has no score of a task.

    Raises:
        CorpusError: The message names the corpora that lack it.
    """
    column = SCALES[task].column
    if lacking := [name for name, manifest in manifests.items() if manifest.rows[column].isna().all()]:
        raise CorpusError(
            f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no value in the column {column!r}; "
            "choose a task that every corpus has with --task"
        )


def link_corpora(manifests: Mapping[str, Manifest], *, root: Path) -> None:
    """Make a folder with one link per corpus, named as the corpus, to its own root.

    Raises:
        OutputError: The folder cannot be written.
    """
    with output_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        for name, manifest in manifests.items():
            link = root / name
            if link.is_symlink() and link.readlink() != manifest.root:
                link.unlink()
            if not link.is_symlink():
                link.symlink_to(manifest.root, target_is_directory=True)


def joined(
    manifests: Mapping[str, Manifest],
    *,
    train: str,
    test: str,
    task: TaskName,
    classes: tuple[str, ...] | None,
    root: Path,
) -> Manifest:
    """Return one manifest of the corpus to train on and the corpus to test, or of one that is both.

    The column ``official_split`` says of two corpora which one an utterance is from: ``train`` or ``test``.

    Args:
        manifests: Manifest per name of a corpus.
        train: Name of the corpus to train on.
        test: Name of the corpus to test.
        task: The task of the labels.
        classes: Classes to keep; None if the labels are scores.
        root: Folder of the links (:func:`link_corpora`).
    """
    column = SCALES[task].column if task in SCALES else "emotion"
    facts = {name: _facts(name, manifests[name], column=column, classes=classes) for name in (train, test)}
    corpora = Joined(train=facts[train], test=facts[test])
    parts: Mapping[str, str | None] = {train: "train", test: "test"} if corpora.is_cross else {train: None}
    tables = [_renamed(name, manifests[name], classes=classes, part=part) for name, part in parts.items()]
    order = [(name, "ascending") for name in ("dialogue_id", "turn_index", "utterance_id")]
    rows = pa.concat_tables(tables).sort_by(order).to_pandas()
    return replace(
        manifests[train],
        rows=conform(rows, MANIFEST, where=f"manifest of {corpora.name}").to_pandas(),
        root=root.resolve(),
        corpus=corpora.name,
        taxonomy=_narrowed(manifests[train].taxonomy, classes),
        accepted=tuple(f"{known} ({name})" for name in parts for known in manifests[name].accepted),
        validation=None,
        joined=corpora,
    )


def cross_corpus_of(joined: Joined, splits: Splits) -> CrossCorpus:
    """Return joined corpora with the choice of development data that the splits made."""
    development = development_in_words(splits.folds, params=splits.params)
    return CrossCorpus(train=joined.train, test=joined.test, development=development)


def _facts(name: str, manifest: Manifest, *, column: str, classes: tuple[str, ...] | None) -> JoinedCorpus:
    counts = manifest.rows["emotion"].value_counts()
    dropped = [] if classes is None else [each for each in manifest.classes if each not in classes]
    return JoinedCorpus(
        name=name,
        kind=manifest.corpus,
        manifest_hash=manifest.hash,
        labelled=int(manifest.rows[column].notna().sum()),
        left_out={each: int(counts[each]) for each in dropped if each in counts},
    )


def _renamed(name: str, manifest: Manifest, *, classes: tuple[str, ...] | None, part: str | None) -> pa.Table:
    rows = manifest.rows
    changes: dict[str, pd.Series | str] = {column: name + ":" + rows[column] for column in _NAMES}
    changes |= {column: rows[column].map(lambda path: _below(name, path), na_action="ignore") for column in _PATHS}
    if classes is not None:
        changes["emotion"] = rows["emotion"].where(rows["emotion"].isin(classes), None)
    if part is not None:
        changes["official_split"] = part
    return conform(rows.assign(corpus=name, **changes), MANIFEST, where=f"manifest of {name}")


def _below(name: str, path: str) -> str:
    return str(PurePosixPath(name) / path) if path.strip() else path


def _narrowed(taxonomy: Taxonomy, classes: tuple[str, ...] | None) -> Taxonomy:
    """Return the taxonomy with these classes alone."""
    if classes is None or classes == taxonomy.classes:
        return taxonomy
    left_out = [name for name in taxonomy.classes if name not in classes]
    labels = {label: emotion if emotion in classes else None for label, emotion in taxonomy.labels.items()}
    return Taxonomy(f"{taxonomy.name} without {' and '.join(left_out)}", classes, labels)

"""A matrix of corpora to train on and corpora to test on; each cell is a separate benchmark.

The manifest of a cell joins both corpora (:mod:`merflow.corpus.joining`). Training and development data come from one,
and all of the other is tested. If a corpus is trained on and tested, it is split by the protocol of the parameters. All
cells have the same classes: those that every corpus has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from merflow.contracts.corpus_matrix import MATRIX, CellFigure, CorpusMatrix, MatrixCell
from merflow.contracts.invocation import Invocation, write_invocation
from merflow.contracts.numerals import listed
from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile, UserPresets
from merflow.contracts.progress import Progress, say
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.contracts.task import EMOTION, TaskName
from merflow.corpus.joining import check_scores, joined, link_corpora, shared_classes
from merflow.corpus.manifest import Manifest, read_manifest, write_manifest
from merflow.corpus.readers.catalogue import reader, task_of_corpus
from merflow.corpus.source import CorpusSource, named_sources
from merflow.errors import CorpusError
from merflow.evaluation.report.matrix.page import write_matrix_report
from merflow.evaluation.report.origin import Origin
from merflow.folds.profiles import profile_of
from merflow.folds.requested_streams import check_encoders
from merflow.jobs.benchmark import train_and_evaluate
from merflow.jobs.prepare import prepared_folds, prepared_manifest
from merflow.presets.variants import chosen, read_video
from merflow.runs.provenance import environment, git_commit
from merflow.runs.workspace import Workspace
from merflow.tracking.connection import tracking_uri


@dataclass(frozen=True)
class Corpora:
    """The corpora of a matrix.

    Attributes:
        sources: Every corpus by name.
        train_on: Names of the corpora to train on.
        test_on: Names of the corpora to test.
    """

    sources: Mapping[str, CorpusSource]
    train_on: tuple[str, ...]
    test_on: tuple[str, ...]

    @classmethod
    def of(cls, *, train_on: Sequence[str], test_on: Sequence[str]) -> "Corpora":
        """Return the corpora described by options (:func:`merflow.corpus.source.named_sources`).

        Raises:
            CorpusError: There are none to train on or none to test on, fewer than two in total, one has two names, or
                a description is invalid.
        """
        if not train_on or not test_on:
            missing = "--test-on" if train_on else "--train-on"
            raise CorpusError(f"{missing} is missing; give both options, for example {missing} emodb:table=FILE")
        sources = named_sources([*train_on, *test_on])
        if len(sources) < 2:
            raise CorpusError(
                f"only the corpus {next(iter(sources))} is trained on and tested; name another one with --test-on, or "
                "use --corpus"
            )
        for name, other in combinations(sources, 2):
            if sources[name] == sources[other]:
                raise CorpusError(
                    f"{name} and {other} are the same corpus, so a model would be tested on its training data; name "
                    "it once"
                )
        return cls(sources, tuple(named_sources(train_on)), tuple(named_sources(test_on)))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every training corpus with every tested one."""
        return [(train, test) for train in self.train_on for test in self.test_on]


def cross_corpus(
    corpora: Corpora,
    *,
    variants: Sequence[str],
    out: Path,
    params: Params,
    name: str,
    command: str,
    quarantine: bool = False,
    asr: bool = False,
    workers: int | None = None,
    user_presets: UserPresets | None = None,
    profile: EncoderProfile | None = None,
    progress: Progress | None = None,
) -> CorpusMatrix:
    """Train on each training corpus and test on each test corpus; write the matrix and every cell's run below ``out``.

    See :func:`merflow.jobs.benchmark.benchmark` for the other arguments.

    Raises:
        CorpusError: A corpus cannot be read, has other tasks, or comes as features only.
        LabelError: The corpora have fewer than two classes in common.
        MerflowError: A job failed.
    """
    profile = profile or profile_of(params.features.profile)
    presets = chosen(variants, user_presets)
    check_encoders(profile, presets=presets, encoders_folder=params.features.encoders_folder)
    task = _checked(corpora, params=params)
    write_invocation(out, Invocation(name=name, command=command))
    manifests = {
        corpus: read_manifest(
            prepared_manifest(
                source,
                out=out / "corpora" / corpus,
                video=read_video(variants, user_presets),
                params=params,
                quarantine=quarantine,
                asr=asr,
                progress=progress,
            )
        )
        for corpus, source in corpora.sources.items()
    }
    classes = _classes(manifests, task=task)
    link_corpora(manifests, root=out / "roots")
    results: dict[tuple[str, str], AnyResults] = {}
    for train, test in corpora.pairs:
        folder = out / cell_folder(train, test)
        say(f"cross-corpus: train on {train}, test on {test}, in {folder}")
        manifest = joined(manifests, train=train, test=test, task=task, classes=classes, root=out / "roots")
        write_manifest(manifest, folder / "manifest.parquet")
        own = _params_of_cell(params, task=task, is_cross=train != test, out=out)
        write_invocation(folder, Invocation(name=f"{name}: {manifest.corpus}", command=command))
        data = prepared_folds(
            folder / "manifest.parquet",
            variants=variants,
            store=Workspace(out).store_of(params.features.store),
            out=folder,
            params=own,
            user_presets=user_presets,
            profile=profile,
            progress=progress,
        )
        results[train, test] = train_and_evaluate(
            data,
            variants=variants,
            out=folder,
            params=own,
            name=f"{name}: {manifest.corpus}",
            command=command,
            workers=workers,
            user_presets=user_presets,
            progress=progress,
        )
    matrix = _matrix(corpora, results, variants=variants, task=task, classes=classes or ())
    matrix.write(out / MATRIX)
    identity = {"evaluated at commit": git_commit() or "not a git checkout", "evaluated with": str(environment())}
    write_matrix_report(matrix, out, origin=Origin(title=name, command=command, identity=identity))
    say(f"cross-corpus: {len(results)} cell(s); {out / 'report.html'}")
    return matrix


def cell_folder(train: str, test: str) -> str:
    """Return the name of a cell's folder; corpus names contain no underscore."""
    return f"{train}_to_{test}"


def _checked(corpora: Corpora, *, params: Params) -> TaskName:
    """Check everything that can be checked before any work starts, and return the task of all corpora.

    Raises:
        CorpusError: A corpus cannot be read or comes as features only, or the usual tasks differ.
        SplitError: The protocol does not suit a corpus that is tested by itself.
    """
    tasks: dict[TaskName, str] = {}
    for name, source in corpora.sources.items():
        kind = reader(source.corpus)
        if kind.profile is not None:
            raise CorpusError(
                f"corpus {name} of kind {source.corpus!r} comes as features, which no other corpus has; choose one "
                "with recordings"
            )
        within = name in corpora.train_on and name in corpora.test_on
        source.check(protocol=params.splits.protocol if within else "auto", name=name)
        tasks.setdefault(task_of_corpus(kind, params.splits.task), name)
    if len(tasks) > 1:
        usual = listed([f"{name}: {task}" for task, name in tasks.items()])
        raise CorpusError(f"the usual tasks of these corpora differ ({usual}); choose one that all have with --task")
    return next(iter(tasks))


def _classes(manifests: Mapping[str, Manifest], *, task: TaskName) -> tuple[str, ...] | None:
    """Return the classes that all corpora have, and print what is left out; None for a score."""
    if task != EMOTION:
        check_scores(manifests, task=task)
        return None
    classes = shared_classes(manifests)
    say(f"cross-corpus: classes that every corpus has: {', '.join(classes)}")
    return classes


def _params_of_cell(params: Params, *, task: TaskName, is_cross: bool, out: Path) -> Params:
    """Return the parameters of a cell; all cells are tracked in one place."""
    splits = {"task": task, **({"protocol": "cross-corpus"} if is_cross else {})}
    uri = tracking_uri(params.tracking.uri, folder=out)
    return params.model_copy(
        update={
            "splits": params.splits.model_copy(update=splits),
            "tracking": params.tracking.model_copy(update={"uri": uri or "none"}),
        }
    )


def _matrix(
    corpora: Corpora,
    results: Mapping[tuple[str, str], AnyResults],
    *,
    variants: Sequence[str],
    task: TaskName,
    classes: tuple[str, ...],
) -> CorpusMatrix:
    cells = tuple(_cell(each, variants=variants, folder=cell_folder(*pair)) for pair, each in results.items())
    facts = {corpus.name: corpus for cell in cells for corpus in cell.corpora.each}
    return CorpusMatrix(
        task=task,
        figure="UA" if task == EMOTION else "CCC",
        classes=classes,
        synthetic=tuple(name for name, corpus in facts.items() if reader(corpus.kind).synthetic),
        corpora=tuple(facts[name] for name in corpora.sources if name in facts),
        train_on=corpora.train_on,
        test_on=corpora.test_on,
        variants=tuple(variants),
        seeds=next(iter(results.values())).seeds,
        cells=cells,
    )


def _cell(results: AnyResults, *, variants: Sequence[str], folder: str) -> MatrixCell:
    assert results.cross_corpus is not None, "the manifest of a cell joins corpora"
    first = results.variants[variants[0]]
    return MatrixCell(
        corpora=results.cross_corpus,
        folder=folder,
        protocol=results.protocol,
        split_id=results.split_id,
        folds=len({fold.fold for fold in first.folds}),
        utterances=results.utterances,
        dialogues=results.dialogues,
        figures=_figures(results),
        selections={name: str(results.variants[name].training.selection) for name in variants},
    )


def _figures(results: AnyResults) -> dict[str, CellFigure]:
    """Return the UA, or the CCC of scores, per variant."""
    if isinstance(results, ScoreResults):
        measured = {name: variant.figures["CCC"] for name, variant in results.variants.items()}
        return {name: CellFigure(value=figure.pooled, ci95=figure.ci95) for name, figure in measured.items()}
    return {name: CellFigure(value=each.ua.pooled, ci95=each.ua.ci95) for name, each in results.variants.items()}

"""Checks a manifest and the media behind it against what is expected of a corpus."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from merflow.contracts.params import CorpusParams
from merflow.contracts.tables import MANIFEST, conform
from merflow.contracts.taxonomy import RAW_LABELS, taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.catalogue import reader
from merflow.corpus.validation.data_docs import Finding, run_rules
from merflow.corpus.validation.outcome import Check, Problem, ValidationOutcome, describe, figures_of
from merflow.corpus.validation.recordings import measure_all
from merflow.corpus.validation.rules import DIALOGUES, RELEASE, SPEAKERS, UTTERANCES, corpus_rules
from merflow.corpus.validation.summary import write_summary
from merflow.errors import CorpusError

__all__ = ["Problem", "ValidationOutcome", "describe", "validate", "write_summary"]


def validate(
    manifest: Manifest, *, params: CorpusParams, docs: Path, progress: Callable[[str, int, int], None] | None = None
) -> ValidationOutcome:
    """Checks a manifest and the media behind it.

    A modality that the corpus lacks altogether is not missed. In a real IEMOCAP release, counts and checksums must be
    the known ones.

    Args:
        manifest: As indexed.
        params: Bounds of durations, level and clipping.
        docs: Folder of the Data Docs site, replaced as a whole. Its pages load their style from the network.
        progress: Called with the stage's name, the recordings done and their number.

    Raises:
        CorpusError: The manifest has no rows or another taxonomy than the params, or the library is not installed.
        MerflowError: The manifest's columns are not those of a manifest.
        OutputError: ``docs`` cannot be written.
    """
    conform(manifest.rows, MANIFEST, where=f"manifest of {manifest.root}")
    if manifest.rows.empty:
        raise CorpusError(f"the manifest of {manifest.root} has no utterances; index the corpus again")
    if manifest.taxonomy != params.taxonomy:
        raise CorpusError(
            f"the manifest of {manifest.root} was made with taxonomy {manifest.taxonomy}, corpus.taxonomy is "
            f"{params.taxonomy}; index the corpus again, or set corpus.taxonomy={manifest.taxonomy}"
        )
    utterances = _utterances(manifest, progress=progress)
    tables = {UTTERANCES: utterances, SPEAKERS: _speakers(utterances), DIALOGUES: _dialogues(utterances)}
    if known_counts := reader(manifest.corpus).known_counts:
        tables[RELEASE] = known_counts(manifest.rows)
    rules = [rule for rule in corpus_rules(manifest, params) if rule.about in tables]
    findings = run_rules(rules, tables=tables, docs=docs)
    return ValidationOutcome(
        manifest=manifest,
        checks=tuple(_check(finding) for finding in findings),
        problems=tuple(problem for finding in findings for problem in _problems(finding, tables)),
        figures=figures_of(manifest, durations_s=utterances["duration_s"]),
    )


def _utterances(manifest: Manifest, *, progress: Callable[[str, int, int], None] | None) -> pd.DataFrame:
    """The manifest's rows, beside them what their recordings are, and what the two should agree on."""
    rows = manifest.rows
    paths = [None if pd.isna(path) else str(path) for path in rows["audio_path"]]
    table = rows.join(measure_all(manifest.root, paths=paths, progress=progress))
    classes = taxonomy(manifest.taxonomy)
    raw = table["emotion_raw"]
    known = raw.isna() | raw.isin([*RAW_LABELS, *RAW_LABELS.values()])  # an unknown label is a problem of its own
    silent = table["state"].isin(["none", "missing"])
    turns = table.groupby("dialogue_id")["state"].transform("size")
    deaf = silent.groupby(table["dialogue_id"]).transform("all") & (turns > 1)
    recorded_s = table["samples"] / table["file_rate_hz"]
    span_s = table["end_s"] - table["start_s"]
    return table.assign(
        emotion_of_raw=raw.where(known).map(classes.emotion_of, na_action="ignore").where(known, table["emotion"]),
        state=table["state"].mask(deaf, "dialogue"),
        dialogue_turns=turns,
        recorded_s=recorded_s,
        span_s=span_s,
        span_gap_s=(span_s - recorded_s).abs(),
        duration_s=recorded_s.where(table["state"] != "none", span_s),
        video_state=_video_states(manifest),
    )


def _video_states(manifest: Manifest) -> list[str]:
    there = {path: (manifest.root / path).is_file() for path in manifest.rows["video_path"].dropna().unique()}
    return ["none" if pd.isna(path) else "ok" if there[path] else "missing" for path in manifest.rows["video_path"]]


def _speakers(utterances: pd.DataFrame) -> pd.DataFrame:
    groups = utterances.groupby("speaker")
    return pd.DataFrame(
        {
            "sessions": groups["session"].nunique(),
            "session_names": groups["session"].agg(_names),
            "genders": groups["gender"].nunique(),
            "gender_names": groups["gender"].agg(_names),
        }
    ).reset_index()


def _dialogues(utterances: pd.DataFrame) -> pd.DataFrame:
    groups = utterances.groupby("dialogue_id")["session"]
    return pd.DataFrame({"sessions": groups.nunique(), "session_names": groups.agg(_names)}).reset_index()


def _names(values: pd.Series) -> str:
    return ", ".join(sorted(values.dropna().unique()))


def _check(finding: Finding) -> Check:
    failed = len(finding.positions) or int(not finding.success)
    return Check(finding.rule.about, finding.rule.expects, checked=finding.checked, failed=failed)


def _problems(finding: Finding, tables: dict[str, pd.DataFrame]) -> Iterator[Problem]:
    rule = finding.rule
    if finding.success:
        return
    if not finding.positions:
        yield Problem(rule.expects, rule.detail, None)
        return
    rows = tables[rule.about].iloc[list(finding.positions)].astype(object)
    for row in rows.where(rows.notna(), None).to_dict("records"):
        yield Problem(rule.expects, rule.detail.format(**row), row.get("utterance_id"))

"""Validation of a manifest and its media against the rules for a corpus."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from merflow.contracts.params import CorpusParams
from merflow.contracts.tables import MANIFEST, conform
from merflow.corpus.manifest import Manifest, recording_of
from merflow.corpus.readers.catalogue import reader
from merflow.corpus.samples import Excerpt
from merflow.corpus.validation.data_docs import RuleResult, run_rules
from merflow.corpus.validation.known_counts import differences, verdict
from merflow.corpus.validation.outcome import Check, Problem, ValidationOutcome, figures_of
from merflow.corpus.validation.overlaps import covered_shares
from merflow.corpus.validation.recordings import measure_all
from merflow.corpus.validation.rules import DIALOGUES, KNOWN_COUNTS, SPEAKERS, UTTERANCES, corpus_rules
from merflow.errors import CorpusError


def validate(
    manifest: Manifest, *, params: CorpusParams, docs: Path, progress: Callable[[str, int, int], None] | None = None
) -> ValidationOutcome:
    """Check a manifest and its media.

    A modality that the corpus lacks altogether is not checked. If counts of the corpus are known in advance, as they
    are for IEMOCAP, the manifest must match them, except for the differences that ``params.accept`` names.

    Args:
        manifest: The manifest, as indexed.
        params: Bounds of durations, level and clipping.
        docs: Folder of the Data Docs site, replaced as a whole. Its pages load their style from the network.
        progress: Receives the stage's name, the recordings done and their number.

    Raises:
        CorpusError: The manifest has no rows, or the library is not installed.
        MerflowError: The manifest lacks a column, or has one of the wrong type.
        OutputError: ``docs`` cannot be written.
    """
    conform(manifest.rows, MANIFEST, where=f"manifest of {manifest.root}")
    if manifest.rows.empty:
        raise CorpusError(f"the manifest of {manifest.root} has no utterances; index the corpus again")
    utterances = _utterances(manifest, progress=progress)
    tables = {UTTERANCES: utterances, SPEAKERS: _speakers(utterances), DIALOGUES: _dialogues(utterances)}
    known = reader(manifest.corpus)
    accepted: dict[str, str] = {}
    line = ""
    if known.known_release is not None:
        release = known.known_release()
        compared = release.compare(manifest.rows)
        accepted = {name: what for name, what in differences(release, compared).items() if name in params.accept}
        line = verdict(release, compared, accepted=params.accept)
        tables[KNOWN_COUNTS] = compared[~compared["difference"].isin(accepted)].reset_index(drop=True)
    rules = [rule for rule in corpus_rules(manifest, params) if rule.table in tables]
    results = run_rules(rules, tables=tables, docs=docs)
    return ValidationOutcome(
        manifest=replace(manifest, accepted=tuple(f"{name}: {what}" for name, what in accepted.items())),
        verdict=line,
        checks=tuple(_check(result) for result in results),
        problems=tuple(problem for result in results for problem in _problems(result, tables)),
        figures=figures_of(manifest, durations_s=utterances["duration_s"]),
        notes=() if known.notes is None else known.notes(manifest.root),
    )


def _utterances(manifest: Manifest, *, progress: Callable[[str, int, int], None] | None) -> pd.DataFrame:
    """Return the manifest's rows with the measures of their recordings, and with columns to compare the two by."""
    rows = manifest.rows
    sources = [recording_of(row, root=manifest.root) for row in rows.to_dict("records")]
    table = rows.join(measure_all(sources, progress=progress))
    raw = table["emotion_raw"]
    known = raw.isna() | raw.isin(manifest.taxonomy.known_labels)  # another rule reports unknown labels
    absent = table["state"].isin(["none", "missing"])
    turns = table.groupby("dialogue_id")["state"].transform("size")
    without_audio = absent.groupby(table["dialogue_id"]).transform("all") & (turns > 1)
    emotions = raw.where(known).map(manifest.taxonomy.emotion_of, na_action="ignore")
    recorded_s = table["samples"] / table["file_rate_hz"]
    span_s = table["end_s"] - table["start_s"]
    return table.assign(
        recording=[_in_words(source, root=manifest.root) for source in sources],
        emotion_of_raw=emotions.where(known, table["emotion"]),
        state=table["state"].mask(without_audio, "dialogue"),
        dialogue_turns=turns,
        recorded_s=recorded_s,
        span_s=span_s,
        span_gap_s=(span_s - recorded_s).abs(),
        duration_s=recorded_s.where(table["state"] != "none", span_s),
        video_state=_video_states(manifest),
        covered_share=covered_shares(rows),
        scored_part=rows["official_split"].where(rows["sentiment"].notna()),
    )


def _in_words(recording: Path | Excerpt | None, *, root: Path) -> str | None:
    if recording is None:
        return None
    if isinstance(recording, Path):
        return recording.relative_to(root).as_posix()
    return str(recording._replace(path=recording.path.relative_to(root)))


def _video_states(manifest: Manifest) -> list[str]:
    exists = {path: (manifest.root / path).is_file() for path in manifest.rows["video_path"].dropna().unique()}
    return ["none" if pd.isna(path) else "ok" if exists[path] else "missing" for path in manifest.rows["video_path"]]


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


def _check(result: RuleResult) -> Check:
    failed = len(result.positions) or int(not result.success)
    return Check(result.rule.table, result.rule.expectation, checked=result.checked, failed=failed)


def _problems(result: RuleResult, tables: dict[str, pd.DataFrame]) -> Iterator[Problem]:
    rule = result.rule
    if result.success:
        return
    if not result.positions:
        yield Problem(rule.expectation, rule.detail, None)
        return
    rows = tables[rule.table].iloc[list(result.positions)].astype(object)
    for row in rows.where(rows.notna(), None).to_dict("records"):
        yield Problem(rule.expectation, rule.detail.format(**row), row.get("utterance_id"))

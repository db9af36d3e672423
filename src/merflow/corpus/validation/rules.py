"""What a corpus must look like: one rule an expectation, with the words for whoever does not meet it."""

from collections.abc import Iterator

from merflow.contracts.params import CorpusParams
from merflow.contracts.tables import MANIFEST
from merflow.contracts.taxonomy import RAW_LABELS, taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.validation.data_docs import Rule

UTTERANCES, SPEAKERS, DIALOGUES, RELEASE = "utterances", "speakers", "dialogues", "known counts"

RATE_HZ = 16_000  # what every speech encoder takes
# A turn cut at [start, end) may be one sample short, and tables write times to the millisecond.
SPAN_TOLERANCE_S = 0.002


def corpus_rules(manifest: Manifest, params: CorpusParams) -> Iterator[Rule]:
    """Every rule for this corpus; a modality that it lacks altogether has none."""
    rows = manifest.rows
    yield from _table_rules(manifest)
    if rows["audio_path"].notna().any():
        yield from _file_rules()
        yield from () if params.resample else _format_rules()
        yield from _sound_rules(params)
    if rows["audio_path"].notna().any() or rows["end_s"].notna().any():
        yield _duration_rule(params)
    if rows["transcript"].notna().any():
        yield Rule(
            UTTERANCES,
            "every utterance has a transcript",
            lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="transcript"),
            "has no transcript; write its words, or a tag such as [LAUGHTER] where none is spoken",
        )
    if rows["video_path"].notna().any():
        yield _state_rule("videos are there", "missing", "no such video: {video_path}", column="video_state")
    yield from _group_rules()
    yield Rule(
        RELEASE,
        "counts and checksums are those of the release",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(column_A="found", column_B="expected"),
        "{what}: expected {expected}, found {found}",
    )


def _table_rules(manifest: Manifest) -> Iterator[Rule]:
    labels, classes = sorted({*RAW_LABELS, *RAW_LABELS.values()}), list(taxonomy(manifest.taxonomy).classes)
    yield Rule(
        UTTERANCES,
        "the manifest has its columns",
        lambda gxe: gxe.ExpectTableColumnsToMatchSet(column_set=MANIFEST.names, exact_match=False),
        "columns are missing",
    )
    yield Rule(
        UTTERANCES,
        "utterance ids are unique",
        lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="utterance_id"),
        "the id {utterance_id} occurs more than once",
    )
    yield Rule(
        UTTERANCES,
        "a dialogue has one utterance a turn",
        lambda gxe: gxe.ExpectCompoundColumnsToBeUnique(column_list=["dialogue_id", "turn_index"]),
        "turn {turn_index} of dialogue {dialogue_id} occurs more than once",
    )
    yield from (_needed_rule(field.name) for field in MANIFEST if not field.nullable)
    yield Rule(
        UTTERANCES,
        "raw labels are known",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="emotion_raw", value_set=labels),
        "label {emotion_raw!r} is no known emotion label",
    )
    yield Rule(
        UTTERANCES,
        f"emotions are classes of {manifest.taxonomy}",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="emotion", value_set=classes),
        f"emotion {{emotion!r}} is not in taxonomy {manifest.taxonomy}",
    )
    yield Rule(
        UTTERANCES,
        "emotions follow from raw labels",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(
            column_A="emotion", column_B="emotion_of_raw", ignore_row_if="both_values_are_missing"
        ),
        f"emotion {{emotion!r}}, but label {{emotion_raw!r}} is {{emotion_of_raw!r}} in taxonomy {manifest.taxonomy}",
    )
    yield Rule(
        UTTERANCES,
        "turns end after they start",
        lambda gxe: gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="end_s", column_B="start_s", ignore_row_if="either_value_is_missing"
        ),
        "ends at {end_s:.3f} s, not after its start at {start_s:.3f} s",
    )


def _needed_rule(column: str) -> Rule:
    return Rule(
        UTTERANCES,
        f"{column} is given",
        lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=column),
        f"has no {column}",
    )


def _file_rules() -> Iterator[Rule]:
    yield _state_rule("every utterance has a recording", "none", "no recording is named (audio_path is empty)")
    yield _state_rule(
        "dialogues have audio", "dialogue", "dialogue {dialogue_id} has no audio in any of its {dialogue_turns} turns"
    )
    yield _state_rule("recordings are there", "missing", "{note}; restore it")
    yield _state_rule("recordings are not empty", "empty", "recording {audio_path} is empty: {note}; copy it again")
    yield _state_rule("recordings are whole", "truncated", "recording {audio_path} is cut off: {note}; copy it again")
    yield _state_rule(
        "recordings can be read",
        "unreadable",
        "recording {audio_path} cannot be read: {note}; copy or convert it again",
    )
    yield Rule(
        UTTERANCES,
        "a recording belongs to one utterance",
        lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="audio_path"),
        "recording {audio_path} belongs to other utterances too",
    )


def _state_rule(expects: str, state: str, detail: str, *, column: str = "state") -> Rule:
    return Rule(
        UTTERANCES,
        expects,
        lambda gxe: gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=[state]),
        detail,
    )


def _format_rules() -> Iterator[Rule]:
    yield Rule(
        UTTERANCES,
        f"recordings are sampled at {RATE_HZ} Hz",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="file_rate_hz", value_set=[RATE_HZ]),
        f"recording {{audio_path}} is sampled at {{file_rate_hz:.0f}} Hz, not {RATE_HZ} Hz; "
        "resample it, or set corpus.resample=true",
    )
    yield Rule(
        UTTERANCES,
        "recordings are mono",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[1]),
        "recording {audio_path} has {channels:.0f} channels, not 1; mix it down, or set corpus.resample=true",
    )


def _sound_rules(params: CorpusParams) -> Iterator[Rule]:
    yield Rule(
        UTTERANCES,
        "samples are finite",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="non_finite", max_value=0),
        "recording {audio_path} holds {non_finite:.0f} NaN or infinite samples of {samples:.0f}; convert it again",
    )
    yield Rule(
        UTTERANCES,
        f"recordings are louder than {params.silence_dbfs:g} dBFS",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="rms_dbfs", min_value=params.silence_dbfs),
        f"recording {{audio_path}} is silent: {{rms_dbfs:.1f}} dBFS, below {params.silence_dbfs:g} dBFS",
    )
    yield Rule(
        UTTERANCES,
        f"at most {params.max_clipped_share:.1%} of the samples are clipped",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="clipped_share", max_value=params.max_clipped_share),
        f"recording {{audio_path}} is clipped: {{clipped_share:.1%}} of its samples are at full scale, "
        f"at most {params.max_clipped_share:.1%} may be",
    )
    yield Rule(
        UTTERANCES,
        "recordings are as they were indexed",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(
            column_A="n_samples", column_B="samples", ignore_row_if="either_value_is_missing"
        ),
        "recording {audio_path} has changed: {samples:.0f} samples, {n_samples:.0f} when it was indexed; index again",
    )
    yield Rule(
        UTTERANCES,
        "recordings last as long as their turns",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="span_gap_s", max_value=SPAN_TOLERANCE_S),
        "recording {audio_path} lasts {recorded_s:.4f} s, its turn {span_s:.4f} s",
    )


def _duration_rule(params: CorpusParams) -> Rule:
    low, high = params.min_duration_s, params.max_duration_s
    return Rule(
        UTTERANCES,
        f"utterances last {low:g} to {high:g} s",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="duration_s", min_value=low, max_value=high),
        f"lasts {{duration_s:.3f}} s, outside {low:g} to {high:g} s",
    )


def _group_rules() -> Iterator[Rule]:
    yield Rule(
        SPEAKERS,
        "there are at least two speakers",
        lambda gxe: gxe.ExpectTableRowCountToBeBetween(min_value=2),
        "the corpus has fewer than two speakers, so no fold can be speaker-disjoint",
    )
    yield Rule(
        SPEAKERS,
        "a speaker is in one session",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="sessions", value_set=[1]),
        "speaker {speaker} is in {sessions} sessions ({session_names}), not in one",
    )
    yield Rule(
        SPEAKERS,
        "a speaker has one gender",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="genders", max_value=1),
        "speaker {speaker} has genders {gender_names}",
    )
    yield Rule(
        DIALOGUES,
        "a dialogue is in one session",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="sessions", value_set=[1]),
        "dialogue {dialogue_id} is in {sessions} sessions ({session_names}), not in one",
    )

"""The rules that a corpus must meet: each is one expectation, with the text for a row that fails it."""

from collections.abc import Iterator

from merflow.contracts.params import CorpusParams
from merflow.contracts.tables import MANIFEST
from merflow.contracts.task import SCALES
from merflow.corpus.manifest import Manifest
from merflow.corpus.validation.data_docs import Rule

UTTERANCES, SPEAKERS, DIALOGUES, KNOWN_COUNTS = "utterances", "speakers", "dialogues", "known counts"

RATE_HZ = 16_000  # the rate of every speech encoder
# A turn cut at [start, end) may be one sample short, and tables write times to the millisecond.
SPAN_TOLERANCE_S = 0.002
# Neighbours that are cut out of one recording may share a word or two.
MOST_COVERED = 0.5


def corpus_rules(manifest: Manifest, params: CorpusParams) -> Iterator[Rule]:
    """Yield every rule for a corpus; a modality that it lacks altogether has none."""
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
            "has no transcript; transcribe it, or write a tag such as [LAUGHTER] if it contains no words",
        )
    if rows["video_path"].notna().any():
        yield _state_rule(
            "no video is missing", "missing", "video {video_path} is missing; restore it", column="video_state"
        )
    if rows["audio_of_dialogue"].notna().any():
        yield Rule(
            UTTERANCES,
            "every utterance has times",
            lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column="end_s"),
            "has no times, so that it cannot be found in the recording; restore its transcript, or leave it out",
        )
        yield Rule(
            UTTERANCES,
            f"no other utterance covers more than {MOST_COVERED:.0%} of an utterance",
            lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="covered_share", max_value=MOST_COVERED),
            "another utterance of {dialogue_id} covers {covered_share:.0%} of it; correct the times, or leave it out",
        )
    if rows["sentiment"].notna().any():
        yield from _sentiment_rules()
    yield from _group_rules()
    yield Rule(
        KNOWN_COUNTS,
        "counts and checksums are those of the release",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(column_A="found", column_B="expected"),
        "{what}: expected {expected}, found {found}",
    )


def _table_rules(manifest: Manifest) -> Iterator[Rule]:
    name, labels, classes = manifest.taxonomy.name, manifest.taxonomy.known_labels, list(manifest.classes)
    yield Rule(
        UTTERANCES,
        "the manifest has all of its columns",
        lambda gxe: gxe.ExpectTableColumnsToMatchSet(column_set=MANIFEST.names, exact_match=False),
        "columns are missing; index the corpus again",
    )
    yield Rule(
        UTTERANCES,
        "utterance ids are unique",
        lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="utterance_id"),
        "the id {utterance_id} occurs more than once; rename or remove one",
    )
    yield Rule(
        UTTERANCES,
        "every turn of a dialogue has one utterance",
        lambda gxe: gxe.ExpectCompoundColumnsToBeUnique(column_list=["dialogue_id", "turn_index"]),
        "turn {turn_index} of dialogue {dialogue_id} occurs more than once; renumber or remove one",
    )
    yield from (_needed_rule(field.name) for field in MANIFEST if not field.nullable)
    yield Rule(
        UTTERANCES,
        "raw labels are known",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="emotion_raw", value_set=labels),
        "label {emotion_raw!r} is not a known emotion label; correct it",
    )
    yield Rule(
        UTTERANCES,
        f"emotions are classes of {name}",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="emotion", value_set=classes),
        f"emotion {{emotion!r}} is not in taxonomy {name}; index the corpus again",
    )
    yield Rule(
        UTTERANCES,
        "emotions agree with raw labels",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(
            column_A="emotion", column_B="emotion_of_raw", ignore_row_if="both_values_are_missing"
        ),
        f"emotion is {{emotion!r}}, but label {{emotion_raw!r}} is {{emotion_of_raw!r}} in taxonomy "
        f"{name}; index the corpus again",
    )
    yield Rule(
        UTTERANCES,
        "turns end after they start",
        lambda gxe: gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="end_s", column_B="start_s", ignore_row_if="either_value_is_missing"
        ),
        "ends at {end_s:.3f} s, but starts at {start_s:.3f} s; correct the times",
    )
    yield Rule(
        UTTERANCES,
        "turns start at 0 s or later",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="start_s", min_value=0),
        "starts at {start_s:.3f} s, before its recording; correct the times",
    )


def _sentiment_rules() -> Iterator[Rule]:
    scale = SCALES["sentiment"]
    yield Rule(
        UTTERANCES,
        f"sentiments are from {scale.low:g} to {scale.high:g}",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="sentiment", min_value=scale.low, max_value=scale.high),
        f"has the sentiment {{sentiment:g}}, outside {scale.low:g} to {scale.high:g}; correct it, or leave it out",
    )
    yield Rule(
        UTTERANCES,
        "utterances of the official split have a sentiment",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(
            column_A="official_split", column_B="scored_part", ignore_row_if="both_values_are_missing"
        ),
        "is in part {official_split!r} of the official split and has no sentiment; add it, or leave it out",
    )


def _needed_rule(column: str) -> Rule:
    return Rule(
        UTTERANCES,
        f"every utterance has a value for {column}",
        lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=column),
        f"has no {column}; fill it in",
    )


def _file_rules() -> Iterator[Rule]:
    yield _state_rule(
        "every utterance has a recording", "none", "has no recording (audio_path is empty); add it, or leave it out"
    )
    yield _state_rule(
        "every dialogue has audio",
        "dialogue",
        "dialogue {dialogue_id} has no audio in any of its {dialogue_turns} turns; restore it",
    )
    yield _state_rule("no recording is missing", "missing", "{note}; restore it")
    yield _state_rule("no recording is empty", "empty", "recording {recording} is empty ({note}); copy it again")
    yield _state_rule("no recording is cut off", "truncated", "recording {recording} is cut off: {note}; copy it again")
    yield _state_rule(
        "every recording can be read",
        "unreadable",
        "recording {recording} cannot be read ({note}); copy or convert it again",
    )
    yield Rule(
        UTTERANCES,
        "a recording belongs to one utterance",
        lambda gxe: gxe.ExpectColumnValuesToBeUnique(column="recording"),
        "recording {recording} belongs to other utterances, too; correct audio_path",
    )


def _state_rule(expectation: str, state: str, detail: str, *, column: str = "state") -> Rule:
    return Rule(
        UTTERANCES,
        expectation,
        lambda gxe: gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=[state]),
        detail,
    )


def _format_rules() -> Iterator[Rule]:
    yield Rule(
        UTTERANCES,
        f"recordings are sampled at {RATE_HZ} Hz",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="file_rate_hz", value_set=[RATE_HZ]),
        f"recording {{recording}} is sampled at {{file_rate_hz:.0f}} Hz, not {RATE_HZ} Hz; "
        "resample it, or set corpus.resample=true",
    )
    yield Rule(
        UTTERANCES,
        "recordings are mono",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[1]),
        "recording {recording} has {channels:.0f} channels, not 1; mix it down, or set corpus.resample=true",
    )


def _sound_rules(params: CorpusParams) -> Iterator[Rule]:
    yield Rule(
        UTTERANCES,
        "samples are finite",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="non_finite", max_value=0),
        "recording {recording} has {non_finite:.0f} NaN or infinite samples out of {samples:.0f}; convert it again",
    )
    yield Rule(
        UTTERANCES,
        f"recordings are louder than {params.silence_dbfs:g} dBFS",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="rms_dbfs", min_value=params.silence_dbfs),
        f"recording {{recording}} is silent: its level is {{rms_dbfs:.1f}} dBFS, below {params.silence_dbfs:g} dBFS; "
        "replace it, or lower corpus.silence_dbfs",
    )
    yield Rule(
        UTTERANCES,
        f"at most {params.max_clipped_share:.1%} of a recording is clipped",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="clipped_share", max_value=params.max_clipped_share),
        f"recording {{recording}} is clipped: {{clipped_share:.1%}} of its samples are at full scale, more than "
        f"{params.max_clipped_share:.1%}; replace it, or raise corpus.max_clipped_share",
    )
    yield Rule(
        UTTERANCES,
        "recordings have not changed since they were indexed",
        lambda gxe: gxe.ExpectColumnPairValuesToBeEqual(
            column_A="n_samples", column_B="samples", ignore_row_if="either_value_is_missing"
        ),
        "recording {recording} has changed: it has {samples:.0f} samples, and had {n_samples:.0f} when it was "
        "indexed; index the corpus again",
    )
    yield Rule(
        UTTERANCES,
        "recordings are as long as their turns",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="span_gap_s", max_value=SPAN_TOLERANCE_S),
        "recording {recording} is {recorded_s:.4f} s long, but its turn {span_s:.4f} s; correct one of them",
    )


def _duration_rule(params: CorpusParams) -> Rule:
    low, high = params.min_duration_s, params.max_duration_s
    return Rule(
        UTTERANCES,
        f"utterances are {low:g} to {high:g} s long",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="duration_s", min_value=low, max_value=high),
        f"is {{duration_s:.3f}} s long, outside {low:g} to {high:g} s; leave it out, or change "
        "corpus.min_duration_s or corpus.max_duration_s",
    )


def _group_rules() -> Iterator[Rule]:
    yield Rule(
        SPEAKERS,
        "the corpus has at least two speakers",
        lambda gxe: gxe.ExpectTableRowCountToBeBetween(min_value=2),
        "the corpus has fewer than two speakers, so no fold can be speaker-disjoint; correct the column 'speaker'",
    )
    yield Rule(
        SPEAKERS,
        "a speaker appears in one session",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="sessions", value_set=[1]),
        "speaker {speaker} appears in {sessions} sessions ({session_names}); give it one",
    )
    yield Rule(
        SPEAKERS,
        "a speaker has one gender",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column="genders", max_value=1),
        "speaker {speaker} has more than one gender ({gender_names}); correct the column 'gender'",
    )
    yield Rule(
        DIALOGUES,
        "a dialogue belongs to one session",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column="sessions", value_set=[1]),
        "dialogue {dialogue_id} is in {sessions} sessions ({session_names}); give it one",
    )

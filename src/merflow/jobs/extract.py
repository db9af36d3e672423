"""Extraction of the features that variants need into the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.extracted_features import (
    ExtractedFeatures,
    ExtractedStream,
    write_extracted_features,
)
from merflow.contracts.params import CorpusParams, FeatureParams
from merflow.contracts.presets import EncoderProfile, Profile, UserPresets, spec_of
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.quarantine import quarantine_beside, write_quarantine
from merflow.contracts.streams import Modality, Stream, Transcript
from merflow.contracts.transcripts import transcripts_of, with_other_transcripts, with_transcripts
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.features.encoders.huggingface.checkpoints import located
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.precomputed import bound
from merflow.features.extraction.filling import Effort
from merflow.features.extraction.stored_streams import Pace, StoredStream, extract_streams
from merflow.features.extraction.transcript_choice import choose_transcripts, has_both_transcripts
from merflow.folds.profiles import profile_of
from merflow.folds.requested_streams import check_encoders, streams_of_all
from merflow.presets.variants import chosen


def extract(
    manifest: Path,
    *,
    variants: Sequence[str],
    store: Path,
    out: Path,
    params: FeatureParams,
    corpus: CorpusParams,
    strict: bool = False,
    user_presets: UserPresets | None = None,
    profile: EncoderProfile | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fill the store with the features that the variants need, and write their record to ``out``.

    If the corpus has reference and ASR transcripts, both are encoded, so that models can also be tested with the
    other kind.

    Features already in the store are not computed again. An interrupted run resumes, and concurrent runs share the
    work. Utterances that cannot be read or encoded are listed in a file next to ``out`` (see
    :func:`merflow.contracts.quarantine.quarantine_beside`) and are masked in training.

    Args:
        manifest: Validated manifest.
        variants: ``model:preset`` each.
        store: The store's root.
        out: ``features.json`` to write; see :mod:`merflow.contracts.extracted_features`.
        params: Profile, kind of transcripts, pace, and size of the shards.
        corpus: Parameters of the corpus; they determine whether recordings with other rates are resampled.
        strict: True to raise an error if an utterance cannot be read or encoded.
        user_presets: The user's presets, in addition to those that merflow ships.
        profile: The encoders; None for those that ``params.profile`` names.
        progress: Called with the stage, the number of finished inputs and their total.

    Raises:
        PresetError: A variant or the profile is unknown.
        FeatureError: The corpus lacks a modality, or none of its inputs can be encoded (or one cannot, if ``strict``).
        OutputError: The store cannot be written.
    """
    profile = profile or profile_of(params.profile)
    utterances = read_manifest(manifest)
    plan = _planned(utterances, variants, params=params, user_presets=user_presets, profile=profile)
    stored = extract_streams(
        utterances,
        streams=plan.streams,
        profile=plan.encoders,
        store=store,
        shard_utterances=params.shard_utterances,
        pace=Pace(device=params.device, workers=params.workers, batch_cost=_batch_cost(params)),
        resample=corpus.resample,
        strict=strict,
        progress=progress or plain_lines(),
    )
    quarantine = quarantine_beside(out)
    quarantined = write_quarantine(quarantine, [one for each in stored for one in each.quarantined])
    write_extracted_features(
        out,
        ExtractedFeatures(
            store=str(store.resolve()),
            profile=profile,
            encoders=plan.encoders,
            manifest_hash=utterances.hash,
            transcripts=plan.transcripts,
            has_both_transcripts=plan.has_both_transcripts,
            streams=tuple(_record(each) for each in stored if each.stream in plan.read),
            other_transcripts=tuple(_record(each) for each in stored if each.stream not in plan.read),
        ),
    )
    _say_streams(stored, read=plan.read, requested=plan.requested)
    listed = f"; {quarantined} input(s) quarantined, see {quarantine}" if quarantined else ""
    say(f"extract: {len(stored)} stream(s) of {len(utterances.rows)} utterances in {store}{listed}")
    return out


def keys_of(
    manifest: Path,
    *,
    variants: Sequence[str],
    params: FeatureParams,
    user_presets: UserPresets | None = None,
    profile: EncoderProfile | None = None,
) -> set[str]:
    """Return the keys of the store that :func:`extract` would fill with these arguments."""
    profile = profile or profile_of(params.profile)
    plan = _planned(read_manifest(manifest), variants, params=params, user_presets=user_presets, profile=profile)
    return {feature_key(spec_of(stream, plan.encoders), stream).digest for stream in plan.streams}


@dataclass(frozen=True)
class _Plan:
    """The streams to extract.

    Attributes:
        requested: Streams that the variants request.
        read: The same streams with the transcripts that the corpus has.
        streams: The ones in ``read`` and, if the corpus has both kinds of transcripts, the ones with the other kind.
        encoders: Their encoders, located.
        transcripts: Requested kind of transcripts -> the kind that is read.
        has_both_transcripts: True if the corpus has both kinds of transcripts.
    """

    requested: Sequence[Stream]
    read: Sequence[Stream]
    streams: Sequence[Stream]
    encoders: Profile
    transcripts: dict[Transcript, Transcript]
    has_both_transcripts: bool


def _planned(
    utterances: Manifest,
    variants: Sequence[str],
    *,
    params: FeatureParams,
    user_presets: UserPresets | None,
    profile: EncoderProfile,
) -> _Plan:
    presets = chosen(variants, user_presets)
    check_encoders(profile, presets=presets, encoders_folder=params.encoders_folder)
    requested = streams_of_all(presets)
    choice = choose_transcripts(utterances, transcripts=params.transcripts)
    read = with_transcripts(requested, choice)
    has_both = has_both_transcripts(utterances)
    streams = tuple(dict.fromkeys([*read, *with_other_transcripts(read)])) if has_both else read
    encoders = located(profile.roles, streams=streams, encoders_folder=params.encoders_folder)
    encoders = bound(encoders, root=utterances.root)
    return _Plan(requested, read, streams, encoders, choice, has_both)


def _record(stored: StoredStream) -> ExtractedStream:
    return ExtractedStream(
        key=stored.key,
        stream=stored.stream,
        shape=stored.shape,
        entries=stored.entries,
        quarantined=len(stored.quarantined),
    )


def _say_streams(stored: Sequence[StoredStream], *, read: Sequence[Stream], requested: Sequence[Stream]) -> None:
    """Print the effort for each stream, and the transcripts that are read if they are not the requested ones."""
    for each in stored:
        transcript = ", asr" if transcripts_of([each.stream]) == "asr" else ""
        purpose = "" if each.stream in read else ", for tests only"
        alone = "; one by one, since padding would change this encoder's numbers" if each.alone else ""
        say(f"extract {each.stream.role} ({each.spec.label}{transcript}{purpose}): {_described(each.effort)}{alone}")
    if transcripts_of(read) != transcripts_of(requested):
        say(f"extract: the presets request {_named(requested)}; {_named(read)} are read instead")


def _named(streams: Sequence[Stream]) -> str:
    """Name the transcripts that these streams read, for people."""
    names = {"truth": "reference transcripts", "asr": "ASR transcripts"}
    return " and ".join(names[kind] for kind in (transcripts_of(streams) or "").split("+"))


def _batch_cost(params: FeatureParams) -> dict[Modality, int]:
    cost = params.batch_cost
    return {"audio": cost.audio, "video": cost.video, "text": cost.text}


def _described(effort: Effort) -> str:
    """Describe the speed of an extraction, for people."""
    if not effort.encoded:
        return "nothing to encode"
    seconds = max(effort.wall_s, 1e-3)
    rate = f"{effort.encoded} inputs in {seconds:.0f} s, {effort.encoded / seconds:.1f} per second"
    if effort.media_s:
        rate += f", {effort.media_s / 3600 / seconds:.3g} hours of media per second"
    return f"{rate}, padding {100 * effort.padding:.1f}%"

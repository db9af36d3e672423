"""The features that some variants need, into the store."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.extracted_features import ExtractedFeatures, ExtractedStream, write_extracted_features
from merflow.contracts.params import CorpusParams, FeatureParams
from merflow.contracts.presets import Preset, UserPresets
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.streams import Modality, Stream
from merflow.corpus.manifest import read_manifest
from merflow.features.encoders.huggingface.checkpoints import located
from merflow.features.extraction import run
from merflow.features.extraction.filling import Effort
from merflow.features.extraction.quarantine import quarantine_beside, write_quarantine
from merflow.features.extraction.run import Pace, StoredStream
from merflow.features.extraction.transcripts import has_both, reading, readings, transcript_of, with_other_words
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.presets.plan import chosen


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
    progress: Progress | None = None,
) -> Path:
    """Fills the store with what the variants need, and writes to ``out`` where it is (JSON).

    Where the corpus has true and recognised words, text is encoded of both, so that trained models can be tested with
    the other kind too.

    What the store holds already is not computed again; a run that died resumes, and runs that go on at the same time
    share the work. Utterances that cannot be read or encoded are listed beside ``out``, see
    :func:`merflow.features.extraction.quarantine.quarantine_beside`, and are masked in training.

    Args:
        manifest: Validated manifest.
        variants: ``model:preset`` each.
        store: The store's root.
        out: JSON to write.
        params: Profile, whose words are read, pace and size of shards.
        corpus: Whether recordings of other rates and channel counts are converted.
        strict: An utterance that cannot be read or encoded is an error.
        user_presets: Presets of one's own (``presets.user_presets``).
        progress: Told of every stage.

    Raises:
        PresetError: A variant or the profile is unknown.
        FeatureError: The corpus lacks a modality, or none of its inputs can be encoded (or one, where it is strict).
        OutputError: The store cannot be written.
    """
    found = read_manifest(manifest)
    asked, heard = _streams(chosen(variants, user_presets)), readings(found, transcripts=params.transcripts)
    streams, both = reading(asked, heard), has_both(found)
    every = tuple(dict.fromkeys([*streams, *with_other_words(streams)])) if both else streams
    profile = located(catalogue.profile(params.profile), streams=every, encoders_folder=params.encoders_folder)
    stored = run.extract(
        found,
        streams=every,
        profile=profile,
        store=store,
        shard_utterances=params.shard_utterances,
        pace=Pace(device=params.device, workers=params.workers, batch_cost=_batch_cost(params)),
        resample=corpus.resample,
        strict=strict,
        progress=progress or plain_lines(),
    )
    listed = quarantine_beside(out)
    set_aside = write_quarantine(listed, [one for each in stored for one in each.set_aside])
    write_extracted_features(
        out,
        ExtractedFeatures(
            store=str(store.resolve()),
            profile=params.profile,
            encoders=profile,
            manifest_hash=found.hash,
            transcripts=heard,
            both_words=both,
            streams=tuple(_extracted(each) for each in stored if each.stream in streams),
            other_words=tuple(_extracted(each) for each in stored if each.stream not in streams),
        ),
    )
    _say_streams(stored, read=streams, asked=asked)
    aside = f"; {set_aside} input(s) set aside, see {listed}" if set_aside else ""
    say(f"extract: {len(stored)} stream(s) of {len(found.rows)} utterances in {store}{aside}")
    return out


def _extracted(stored: StoredStream) -> ExtractedStream:
    return ExtractedStream(
        key=stored.key,
        stream=stored.stream,
        shape=stored.shape,
        entries=stored.entries,
        set_aside=len(stored.set_aside),
    )


def _say_streams(stored: Sequence[StoredStream], *, read: Sequence[Stream], asked: Sequence[Stream]) -> None:
    """How each stream went, and whether other words are read than were asked for."""
    for each in stored:
        words = " (asr)" if transcript_of([each.stream]) == "asr" else ""
        tested = "" if each.stream in read else ", for tests alone"
        say(f"extract {each.stream.slot}{words}{tested}: {_told(each.effort)}")
    if transcript_of(read) != transcript_of(asked):
        say(f"extract: presets ask for {_words(asked)}, {_words(read)} are read")


def _words(streams: Sequence[Stream]) -> str:
    """Whose words these streams read, for people."""
    names = {"truth": "true transcripts", "asr": "recognised words"}
    return " and ".join(names[kind] for kind in (transcript_of(streams) or "").split("+"))


def _batch_cost(params: FeatureParams) -> dict[Modality, int]:
    cost = params.batch_cost
    return {"audio": cost.audio, "video": cost.video, "text": cost.text}


def _told(effort: Effort) -> str:
    """How fast it went, for people."""
    if not effort.encoded:
        return "nothing to encode"
    seconds = max(effort.wall_s, 1e-3)
    rate = f"{effort.encoded} inputs in {seconds:.0f} s, {effort.encoded / seconds:.1f} a second"
    if effort.media_s:
        rate += f", {effort.media_s / 3600 / seconds:.3g} hours of media a second"
    return f"{rate}, padding {100 * effort.padding:.1f} %"


def _streams(presets: Sequence[Preset]) -> tuple[Stream, ...]:
    """What the presets' models ask of the data, each stream once."""
    configs = [MODELS[preset.model].configure(preset.config) for preset in presets]
    return tuple(dict.fromkeys(stream for config in configs for stream in config.streams()))

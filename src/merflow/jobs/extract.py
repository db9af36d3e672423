"""The features that some variants need, into the store."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from merflow.contracts.files import write_json
from merflow.contracts.params import CorpusParams, FeatureParams
from merflow.contracts.presets import OwnPresets, Preset
from merflow.contracts.streams import Modality, Stream
from merflow.corpus.manifest import read_manifest
from merflow.features import extraction
from merflow.features.extraction import Pace, StoredStream
from merflow.features.filling import Effort
from merflow.features.huggingface.checkpoints import located
from merflow.features.quarantine import quarantine_beside, write_quarantine
from merflow.features.transcripts import reading, readings, transcript_of
from merflow.jobs.progress import Progress, plain_lines, say
from merflow.jobs.variants import chosen
from merflow.models import MODELS
from merflow.presets import catalogue


def extract(
    manifest: Path,
    *,
    variants: Sequence[str],
    store: Path,
    out: Path,
    params: FeatureParams,
    corpus: CorpusParams,
    strict: bool = False,
    own: OwnPresets | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fills the store with what the variants need, and writes to ``out`` where it is (JSON).

    What the store holds already is not computed again; a run that died resumes, and runs that go on at the same time
    share the work. Utterances that cannot be read or encoded are listed beside ``out``, see
    :func:`merflow.features.quarantine.quarantine_beside`, and are masked in training.

    Args:
        manifest: Validated manifest.
        variants: ``model:preset`` each.
        store: The store's root.
        out: JSON to write.
        params: Profile, whose words are read, pace and size of shards.
        corpus: Whether recordings of other rates and channel counts are converted.
        strict: An utterance that cannot be read or encoded is an error.
        own: Presets of one's own (``presets.own``).
        progress: Told of every stage.

    Raises:
        PresetError: A variant or the profile is unknown.
        FeatureError: The corpus lacks a modality, or none of its inputs can be encoded (or one, where it is strict).
        OutputError: The store cannot be written.
    """
    found = read_manifest(manifest)
    asked, heard = _streams(chosen(variants, own)), readings(found, transcripts=params.transcripts)
    streams = reading(asked, heard)
    profile = located(catalogue.profile(params.profile), streams=streams, encoders_folder=params.encoders_folder)
    stored = extraction.extract(
        found,
        streams=streams,
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
    write_json(
        out,
        {
            "store": str(store.resolve()),
            "profile": params.profile,
            "encoders": {slot: spec.model_dump() for slot, spec in profile.items()},
            "manifest_hash": found.hash,
            "transcripts": heard,
            "streams": [_facts(each) for each in stored],
        },
    )
    _say_streams(stored, asked=asked)
    aside = f"; {set_aside} input(s) set aside, see {listed}" if set_aside else ""
    say(f"extract: {len(stored)} stream(s) of {len(found.rows)} utterances in {store}{aside}")
    return out


def _facts(stored: StoredStream) -> dict[str, Any]:
    return {
        "key": stored.key,
        "stream": asdict(stored.stream),
        "shape": asdict(stored.shape),
        "entries": stored.entries,
        "set_aside": len(stored.set_aside),
    }


def _say_streams(stored: Sequence[StoredStream], *, asked: Sequence[Stream]) -> None:
    """How each stream went, and whether other words were read than were asked for."""
    streams = [each.stream for each in stored]
    for each in stored:
        words = " (asr)" if transcript_of([each.stream]) == "asr" else ""
        say(f"extract {each.stream.slot}{words}: {_told(each.effort)}")
    if transcript_of(streams) != transcript_of(asked):
        say(f"extract: presets ask for {_words(asked)}, {_words(streams)} are read")


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

"""The features that some variants need, into the store."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from merflow.contracts.files import write_json
from merflow.contracts.params import FeatureParams
from merflow.contracts.presets import Preset
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest
from merflow.features import extraction
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
    progress: Progress | None = None,
) -> Path:
    """Fills the store with what the variants need, and writes to ``out`` where it is (JSON).

    What the store holds already is not computed again; a run that died resumes.

    Raises:
        PresetError: A variant or the profile is unknown.
        FeatureError: The corpus lacks a modality, or a recording or text cannot be encoded.
        OutputError: The store cannot be written.
    """
    found = read_manifest(manifest)
    stored = extraction.extract(
        found,
        streams=_streams(chosen(variants)),
        profile=catalogue.profile(params.profile),
        store=store,
        shard_utterances=params.shard_utterances,
        progress=progress or plain_lines(),
    )
    write_json(
        out,
        {
            "store": str(store.resolve()),
            "profile": params.profile,
            "manifest_hash": found.hash,
            "streams": [
                {"key": each.key, "stream": asdict(each.stream), "shape": asdict(each.shape)} for each in stored
            ],
        },
    )
    say(f"extract: {len(stored)} stream(s) of {len(found.rows)} utterances in {store}")
    return out


def _streams(presets: Sequence[Preset]) -> tuple[Stream, ...]:
    """What the presets' models ask of the data, each stream once."""
    configs = [MODELS[preset.model].configure(preset.config) for preset in presets]
    return tuple(dict.fromkeys(stream for config in configs for stream in config.streams()))

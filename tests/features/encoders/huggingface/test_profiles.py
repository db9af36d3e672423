"""The paper profile from end to end, with miniature folders in place of the hub ids."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.streams import ROLES, Stream, StreamShape
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.synthetic.release import synthesize
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.encoders.huggingface.checkpoints import located
from merflow.features.encoders.keys import feature_key
from merflow.features.store.keyed import open_store
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.models import MODELS
from merflow.presets.profiles import shipped_profile

# What the five models ask for.
STREAMS = {
    "foal-net": (Stream("speech", clip_s=6.0, encoder="wavlm-large"), Stream("video", encoder="clip-vit-large")),
    "gia-mic": (Stream("speech", clip_s=6.0, encoder="wavlm-large"), Stream("text", encoder="roberta-base")),
    "layer-adapter-fusion": (
        Stream("speech_layers", encoder="wavlm-base"),
        Stream("text_layers", encoder="roberta-base"),
        Stream("context", encoder="whisper-small.en"),
    ),
    "mfdr": (Stream("speech", encoder="wavlm-base"), Stream("text", encoder="bert-base")),
    "context-mmt": (
        Stream("speech_layers", clip_s=5.0, skip_silence=True),
        Stream("text_layers", pooled=True, neighbours=4),
    ),
}


@dataclass(frozen=True)
class EveryStream:
    """Stands in for the config of a model that requests all of them."""

    system: str

    def streams(self) -> tuple[Stream, ...]:
        return tuple(dict.fromkeys(stream for streams in STREAMS.values() for stream in streams))


@pytest.fixture(scope="module")
def manifest(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the manifest of one dialogue of the synthetic release, with its video."""
    folder = tmp_path_factory.mktemp("release")
    release = synthesize(folder / "tiny", size="tiny", video=True)
    whole = read_manifest(index(release, corpus="iemocap", out=folder / "whole.parquet", params=params.corpus))
    first = whole.rows[whole.rows["dialogue_id"] == whole.rows["dialogue_id"][0]]
    write_manifest(replace(whole, rows=first), folder / "one.parquet")
    return folder / "one.parquet"


@pytest.mark.parametrize("profile", ["paper", "tiny"])
def test_every_role_of_every_model_is_extracted(
    profile: str, manifest: Path, params: Params, encoders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "context-mmt", MODELS["context-mmt"]._replace(config=EveryStream))
    streams = EveryStream("all").streams()
    assert {stream.role for stream in streams} == set(ROLES)
    changes = {"profile": profile, "encoders_folder": str(encoders), "workers": 0}
    features = params.features.model_copy(update=changes)
    store = tmp_path / "store"
    out = tmp_path / "f.json"
    extract(manifest, variants=["context-mmt:mmt-frozen"], store=store, out=out, params=features, corpus=params.corpus)

    written = json.loads((tmp_path / "f.json").read_text())
    assert all(len(spec["digest"]) == 16 for spec in written["encoders"].values())
    assert len(written["streams"]) == len(streams) == 10
    found = read_manifest(manifest)
    specs = located(shipped_profile(profile).roles, streams=streams, encoders_folder=str(encoders))
    for stream, entry in zip(streams, written["streams"], strict=True):
        layers = {"speech_layers/wavlm-base": 3, "text_layers/roberta-base": 3, "speech_layers": 4, "text_layers": 4}
        shape = StreamShape(layers.get(stream.slot), 24 if stream.role == "video" else 32)
        assert StreamShape(**entry["shape"]) == shape
        keyed = open_store(store, feature_key(specs[stream.slot], stream))
        assert keyed.folder.name == entry["key"]
        assert keyed.verify() >= 1
        dataset = FeatureDataset(found, found.rows["utterance_id"][:3], streams=[stream], profile=specs, store=store)
        batch = dataset.batch([0, 1, 2])
        assert batch.present[stream.role].any()
        assert batch.features[stream.role].isfinite().all()

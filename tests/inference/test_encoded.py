"""A second stage with encoders in the graph: the weights that it changes, leaves alone and saves."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.params import Params
from merflow.contracts.planned_fold import RecordedEncoder
from merflow.contracts.presets import Profile, spec_of
from merflow.contracts.streams import EncoderPart, Role
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.errors import ModelError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.raw_dataset import RawDataset
from merflow.features.batches.standardize import Standardizer
from merflow.features.encoders.huggingface.checkpoints import located, relocated
from merflow.features.extraction.stored_streams import extract_streams
from merflow.inference.determinism import seed_epoch
from merflow.inference.encoded import ENCODERS, EncodedModel, EncodedSource, has_encoders, load_encoded, save_encoders
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.jobs.index import index
from merflow.models import MODELS
from merflow.models.folder import load_model, save_model
from merflow.presets import catalogue
from merflow.presets.profiles import shipped_profile
from tests.models.batches import EMOTIONS
from tests.models.records import record_of

LEARNING: dict[Role, EncoderPart] = {"speech_layers": "convolutions", "text_layers": "embeddings"}
CONFIG = MODELS["context-mmt"].configure({"system": "mmt", "dropout": 0.0})


@dataclass(frozen=True)
class Scene:
    """Labeled utterances of a session, their features, and the encoders that made them."""

    encoders: Path
    profile: Profile
    standardizer: Standardizer
    stored: FeatureDataset
    raw: RawDataset

    def model(self) -> nn.Module:
        """Return a model with the same weights at every call."""
        seed_epoch(0, epoch=0)
        return MODELS["context-mmt"].model(CONFIG, shapes=self.stored.shapes, task=EMOTIONS)

    def encoded(self, model: nn.Module) -> EncodedModel:
        """Return the model behind the encoders as published."""
        graph = EncodersInGraph(
            CONFIG.streams(),
            profile=self.profile,
            learning=LEARNING,
            standardizer=self.standardizer,
            mode="evaluation",  # dropout would blur what few steps learn
        )
        return EncodedModel(graph, model)

    def raw_batch(self) -> RawBatch:
        """Return all utterances as a raw batch."""
        return self.raw.batch(range(len(self.raw)))

    def batch(self) -> Batch:
        """Return all utterances as a batch of stored features."""
        return self.stored.batch(range(len(self.stored)))


@pytest.fixture(scope="module")
def scene(tiny_release: Path, encoders: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    place = tmp_path_factory.mktemp("scene")
    index(tiny_release, corpus="synthetic", out=place / "manifest.parquet", params=params.corpus)
    found = read_manifest(place / "manifest.parquet")
    rows = found.rows[found.rows["session"] == found.rows["session"].iloc[0]].reset_index(drop=True)
    manifest = Manifest(rows=rows, root=found.root, corpus=found.corpus, taxonomy=found.taxonomy)
    streams = CONFIG.streams()
    profile = located(shipped_profile("tiny").roles, streams=streams, encoders_folder=str(encoders))
    extract_streams(manifest, streams=streams, profile=profile, store=place / "store", shard_utterances=32)
    ids = rows["utterance_id"][rows["emotion"].notna()].tolist()
    settings: dict[str, Any] = {"streams": streams, "profile": profile, "store": place / "store"}
    standardizer = FeatureDataset(manifest, ids, **settings).fit_standardizer()
    return Scene(
        encoders=encoders,
        profile=profile,
        standardizer=standardizer,
        stored=FeatureDataset(manifest, ids, standardizer=standardizer, **settings),
        raw=RawDataset(
            manifest,
            ids,
            learning=LEARNING,
            standardizer=standardizer,
            micro_batch=3,
            resident_bytes=1 << 24,
            **settings,
        ),
    )


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def _stage(
    model: nn.Module, batch: Batch | RawBatch, groups: dict[str, list[nn.Parameter]], *, lr: float, steps: int
) -> None:
    optimizer = torch.optim.Adam([{"params": group, "lr": lr} for group in groups.values()])
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model(batch).loss.backward()
        optimizer.step()
    model.eval()


def test_the_partial_stage_continues_from_the_frozen_one_and_moves_only_what_it_names(scene: Scene) -> None:
    model = scene.model()
    _stage(model, scene.batch(), {"model": list(model.parameters())}, lr=3e-3, steps=8)
    encoded = scene.encoded(model)
    with torch.no_grad():
        frozen, before = model(scene.batch()), encoded.eval()(scene.raw_batch())
    torch.testing.assert_close(before.logits, frozen.logits, rtol=0, atol=5e-3)  # the store rounds to float16
    weights = _weights(encoded)
    groups = encoded.parameter_groups()
    assert groups.keys() == {"model", "encoders"}
    _stage(encoded, scene.raw_batch(), groups, lr=1e-3, steps=6)
    with torch.no_grad():
        assert encoded(scene.raw_batch()).loss < 0.95 * before.loss
    changed = {name for name, value in encoded.named_parameters() if not torch.equal(value, weights[name])}
    prefixes = (
        "model.",
        "encoders.networks.speech_layers.weights.feature_extractor.",
        "encoders.networks.text_layers.weights.embeddings.",
    )
    named = {name for name in weights if name.startswith(prefixes)}
    assert changed == named
    assert {id(value) for name, value in encoded.named_parameters() if name in named} == {
        id(value) for group in groups.values() for value in group
    }


def test_the_state_dict_holds_what_learns_and_brings_it_back(scene: Scene) -> None:
    encoded = scene.encoded(scene.model())
    expected = encoded.eval()(scene.raw_batch()).logits
    state = {name: value.clone() for name, value in encoded.state_dict().items()}
    assert {name for name in state if name.startswith("encoders.")} == {
        f"encoders.{name}" for name in encoded.encoders.learning
    }
    _stage(encoded, scene.raw_batch(), encoded.parameter_groups(), lr=1e-2, steps=1)
    assert not torch.equal(encoded(scene.raw_batch()).logits, expected)
    encoded.load_state_dict(state)
    assert torch.equal(encoded(scene.raw_batch()).logits, expected)
    state.popitem()
    with pytest.raises(RuntimeError, match="Missing key"):
        encoded.load_state_dict(state)


@pytest.fixture(scope="module")
def saved(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensor]:
    """Return a model folder after some fine-tuning, and the logits of its model."""
    folder = tmp_path_factory.mktemp("model")
    encoded = scene.encoded(scene.model())
    _stage(encoded, scene.raw_batch(), encoded.parameter_groups(), lr=1e-2, steps=1)
    preset = catalogue.preset("context-mmt:mmt-finetuned")
    record = record_of(preset, shapes=scene.stored.shapes).model_copy(
        update={
            "config": {"system": "mmt", "dropout": 0.0},
            "encoders": {
                stream.role: RecordedEncoder(
                    key="0123456789abcdef",
                    spec=spec_of(stream, scene.profile).model_copy(update={"folder": None}),
                    of_paper=False,
                )
                for stream in CONFIG.streams()
            },
        }
    )
    save_model(folder, encoded.model, record)
    save_encoders(folder, encoded.encoders, record=record)
    return folder, encoded(scene.raw_batch()).logits


def test_a_saved_model_is_called_on_raw_batches_and_is_bit_equal(scene: Scene, saved: tuple[Path, Tensor]) -> None:
    folder, expected = saved
    assert has_encoders(folder)
    _, record = load_model(folder)
    profile = relocated(record.encoder_specs, encoders_folder=str(scene.encoders))
    again = load_encoded(folder, standardizer=scene.standardizer, profile=profile)
    assert torch.equal(again(scene.raw_batch()).logits, expected)
    source = EncodedSource(scene.raw, again.encoders)
    # Attention's kernel is another one where no gradients are wanted.
    torch.testing.assert_close(again.model(source.batch(range(len(source)))).logits, expected, rtol=0, atol=1e-5)
    learned = sum(value.nbytes for value in again.encoders.learning.values())
    assert learned <= (folder / ENCODERS).stat().st_size < learned + 10_000


def test_other_base_encoders_are_refused(scene: Scene, saved: tuple[Path, Tensor], tmp_path: Path) -> None:
    shutil.copytree(scene.encoders, tmp_path / "encoders")
    config = tmp_path / "encoders/bert-base-uncased/config.json"
    config.write_text(config.read_text() + " ")
    _, record = load_model(saved[0])
    profile = relocated(record.encoder_specs, encoders_folder=str(tmp_path / "encoders"))
    with pytest.raises(ModelError, match=r"fine-tunes bert-base-uncased .*\(files \w+\), but .* holds files "):
        load_encoded(saved[0], standardizer=scene.standardizer, profile=profile)


def test_encoders_of_another_model_are_refused(scene: Scene, saved: tuple[Path, Tensor], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved[0], folder)
    model, record = load_model(folder)
    save_model(folder, model, record.model_copy(update={"seed": 1}))
    with pytest.raises(ModelError, match="another fold_record"):
        load_encoded(folder, standardizer=scene.standardizer, profile=scene.profile)
    (folder / ENCODERS).unlink()
    assert not has_encoders(folder)
    with pytest.raises(ModelError, match="no such file"):
        load_encoded(folder, standardizer=scene.standardizer, profile=scene.profile)

from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.contracts.presets import Profile
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.standardize import Standardizer
from merflow.features.extraction.stored_streams import extract_streams
from tests.features.conftest import SPEECH, TEXT, MakeCorpus


@pytest.fixture
def stored(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> Manifest:
    manifest = make_corpus()
    extract_streams(manifest, streams=(SPEECH, TEXT), profile=profile, store=tmp_path / "store", shard_utterances=5)
    return manifest


def _dataset(
    manifest: Manifest, ids: list[str], profile: Profile, store: Path, standardizer: Standardizer | None = None
) -> FeatureDataset:
    return FeatureDataset(
        manifest, ids, streams=(SPEECH, TEXT), profile=profile, store=store, standardizer=standardizer
    )


def test_statistics_are_those_of_the_given_utterances_alone(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    train = stored.rows["utterance_id"].tolist()[:6]
    dataset = _dataset(stored, train, profile, tmp_path / "store")
    fitted = dataset.fit_standardizer()
    for role in ("speech_layers", "text_layers"):
        steps = np.concatenate(list(dataset.stored(role))).astype(np.float64)
        assert fitted.mean[role] == pytest.approx(steps.mean(axis=0), rel=1e-5, abs=1e-6)
        deviation = steps.std(axis=0)
        moving = deviation > 1e-3 * np.abs(steps.mean(axis=0)) + 1e-6
        assert fitted.deviation[role][moving] == pytest.approx(deviation[moving], rel=1e-4)
        assert (fitted.deviation[role][~moving] == 1).all()
    everyone = _dataset(stored, stored.rows["utterance_id"].tolist(), profile, tmp_path / "store")
    assert not np.array_equal(everyone.fit_standardizer().mean["speech_layers"], fitted.mean["speech_layers"])


def test_standardized_training_steps_have_mean_0_and_deviation_1(
    stored: Manifest, profile: Profile, tmp_path: Path
) -> None:
    train = stored.rows["utterance_id"].tolist()[:6]
    fitted = _dataset(stored, train, profile, tmp_path / "store").fit_standardizer()
    batch = _dataset(stored, train, profile, tmp_path / "store", fitted).batch(range(6))
    steps = batch.features["speech_layers"][batch.present["speech_layers"]]
    assert steps.mean(dim=0).abs().max() < 1e-3
    scaled = steps.std(dim=0, correction=0)
    assert ((scaled - 1).abs() < 1e-2).float().mean() > 0.95
    padding = batch.features["speech_layers"][~batch.present["speech_layers"]]
    assert len(padding)
    assert (padding == 0).all()


def test_a_constant_feature_is_centered_and_never_blown_up() -> None:
    fitted = Standardizer.fit({"speech": [np.full((5, 2), [7.0, 0.0], dtype=np.float16)]})
    assert fitted.deviation["speech"].tolist() == [1.0, 1.0]
    values = torch.tensor([[7.0, 0.5]])
    fitted.scale("speech", entry_shape=(2,)).apply_(values)
    assert values.tolist() == [[0.0, 0.5]]


def test_save_and_load_are_bit_equal(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    train = stored.rows["utterance_id"].tolist()[:6]
    fitted = _dataset(stored, train, profile, tmp_path / "store").fit_standardizer()
    fitted.save(tmp_path / "model" / "standardizer.safetensors")
    loaded = Standardizer.load(tmp_path / "model" / "standardizer.safetensors")
    assert set(loaded.mean) == set(fitted.mean) == {"speech_layers", "text_layers"}
    for role, mean in fitted.mean.items():
        assert loaded.mean[role].tobytes() == mean.tobytes()
        assert loaded.deviation[role].tobytes() == fitted.deviation[role].tobytes()


def test_missing_corrupt_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "standardizer.safetensors"
    with pytest.raises(FeatureError, match="no such standardizer"):
        Standardizer.load(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(FeatureError, match=r"standardizer\.safetensors is corrupt"):
        Standardizer.load(path)
    fitted = Standardizer.fit({"speech": [np.ones((5, 2), dtype=np.float16)]})
    with pytest.raises(FeatureError, match=r"no statistics of role 'text'; it has speech"):
        fitted.scale("text", entry_shape=(2,))
    with pytest.raises(FeatureError, match=r"have shape \(2,\), the features have \(3,\)"):
        fitted.scale("speech", entry_shape=(3,))


def test_a_role_without_a_step_is_refused() -> None:
    with pytest.raises(FeatureError, match="none of the 1 utterances to standardize by has a step of role 'speech'"):
        Standardizer.fit({"speech": [np.zeros((0, 2), dtype=np.float16)]})

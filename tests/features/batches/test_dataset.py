import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.contracts.presets import Profile
from merflow.contracts.streams import Role, Stream
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.extraction.stored_streams import extract_streams
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus

STREAMS = (SPEECH, FRAMES, TEXT)


@pytest.fixture
def stored(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> Manifest:
    manifest = make_corpus()
    extract_streams(manifest, streams=STREAMS, profile=profile, store=tmp_path / "store", shard_utterances=5)
    return manifest


def _dataset(manifest: Manifest, profile: Profile, store: Path, ids: list[str] | None = None) -> FeatureDataset:
    chosen = manifest.rows["utterance_id"].tolist() if ids is None else ids
    return FeatureDataset(manifest, chosen, streams=STREAMS, profile=profile, store=store)


def test_features_masks_and_neighbours_equal_a_slow_loop(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    everyone = _dataset(stored, profile, tmp_path / "store")
    own: dict[Role, list[np.ndarray]] = {stream.role: list(everyone.stored(stream.role)) for stream in STREAMS}
    rows = stored.rows
    wanted = [9, 3, 6, 0, 13]
    batch = _dataset(stored, profile, tmp_path / "store", rows["utterance_id"].iloc[wanted].tolist()).batch(
        [4, 0, 2, 1]
    )
    chosen = [wanted[position] for position in (4, 0, 2, 1)]
    assert batch.utterance_ids == tuple(rows["utterance_id"].iloc[chosen])
    for role in ("speech_layers", "speech"):
        longest = max(len(own[role][row]) for row in chosen)
        assert batch.features[role].shape == (4, longest, *own[role][0].shape[1:])
        for place, row in enumerate(chosen):
            steps = len(own[role][row])
            assert torch.equal(batch.features[role][place, :steps], torch.from_numpy(own[role][row].astype(np.float32)))
            assert (batch.features[role][place, steps:] == 0).all()
            assert batch.present[role][place].tolist() == [step < steps for step in range(longest)]
    assert batch.features["text_layers"].shape == (4, 5, 2, 32)
    for place, row in enumerate(chosen):
        for position, step in enumerate((-2, -1, 0, 1, 2)):
            there = rows[
                (rows["dialogue_id"] == rows["dialogue_id"][row])
                & (rows["turn_index"] == rows["turn_index"][row] + step)
            ].index
            text = own["text_layers"][there[0]] if len(there) else np.zeros((0, 2, 32))
            assert bool(batch.present["text_layers"][place, position]) is (len(text) == 1)
            expected = torch.from_numpy(text[0].astype(np.float32)) if len(text) else torch.zeros(2, 32)
            assert torch.equal(batch.features["text_layers"][place, position], expected)


def test_a_turn_that_was_set_aside_is_masked_not_skipped(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    kept = stored.rows.drop(index=2).reset_index(drop=True)
    manifest = Manifest(rows=kept, root=stored.root, corpus=stored.corpus, taxonomy=stored.taxonomy)
    extract_streams(manifest, streams=STREAMS, profile=profile, store=tmp_path / "store", shard_utterances=5)
    batch = _dataset(manifest, profile, tmp_path / "store", [kept["utterance_id"][2]]).batch([0])
    assert kept["turn_index"][2] == 3
    assert batch.present["text_layers"].tolist() == [[True, False, True, True, True]]


def test_an_utterance_without_words_keeps_its_neighbours(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    batch = _dataset(stored, profile, tmp_path / "store", [stored.rows["utterance_id"][6]]).batch([0])
    assert batch.present["text_layers"].tolist() == [[True, True, False, False, False]]


def test_a_missing_modality_is_a_mask_of_false(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    rows = stored.rows.copy()
    rows.loc[4, ["audio_path", "n_samples"]] = None
    manifest = Manifest(rows=rows, root=stored.root, corpus=stored.corpus, taxonomy=stored.taxonomy)
    extract_streams(manifest, streams=STREAMS, profile=profile, store=tmp_path / "store", shard_utterances=5)
    dataset = _dataset(manifest, profile, tmp_path / "store", [rows["utterance_id"][4]])
    assert dataset.lengths.tolist() == [0]
    batch = dataset.batch([0])
    assert batch.present["speech_layers"].tolist() == [[False]]
    assert (batch.features["speech_layers"] == 0).all()
    assert batch.present["text_layers"].any()


def test_labels_follow_the_taxonomy_and_vanish_where_one_is_unknown(
    stored: Manifest, profile: Profile, tmp_path: Path
) -> None:
    dataset = _dataset(stored, profile, tmp_path / "store")
    labels = dataset.batch([0, 1, 2, 3]).labels
    assert labels is not None
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0, 1, 2, 3]
    rows = stored.rows.copy()
    rows.loc[3, "emotion"] = None
    manifest = Manifest(rows=rows, root=stored.root, corpus=stored.corpus, taxonomy=stored.taxonomy)
    extract_streams(manifest, streams=STREAMS, profile=profile, store=tmp_path / "store", shard_utterances=5)
    assert _dataset(manifest, profile, tmp_path / "store").batch([0, 1]).labels is None
    labelled = _dataset(manifest, profile, tmp_path / "store", rows["utterance_id"][:3].tolist()).batch([2, 0]).labels
    assert labelled is not None
    assert labelled.tolist() == [2, 0]


def test_lengths_and_shapes(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    dataset = _dataset(stored, profile, tmp_path / "store")
    assert len(dataset) == 14
    assert dataset.lengths.dtype == np.int64
    assert dataset.lengths.tolist() == [len(array) for array in dataset.stored("speech")]
    assert {role: (shape.layers, shape.width) for role, shape in dataset.shapes.items()} == {
        "speech_layers": (2, 200),
        "speech": (None, 400),
        "text_layers": (2, 32),
    }
    text_only = FeatureDataset(
        stored, dataset.utterance_ids, streams=(TEXT,), profile=profile, store=tmp_path / "store"
    )
    assert text_only.lengths.tolist() == [1] * 14


def test_memory_or_not_a_batch_is_the_same(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    standardizer = _dataset(stored, profile, tmp_path / "store").fit_standardizer()
    batches = []
    for limit in (1 << 30, 0):
        dataset = FeatureDataset(
            stored,
            stored.rows["utterance_id"].tolist(),
            streams=STREAMS,
            profile=profile,
            store=tmp_path / "store",
            standardizer=standardizer,
            resident_bytes=limit,
        )
        batches += [dataset.batch([1, 5]), dataset.batch([1, 5])]
    for batch in batches[1:]:
        for role, values in batches[0].features.items():
            assert torch.equal(batch.features[role], values)


@pytest.mark.parametrize("resident_bytes", [0, 1 << 30])
def test_a_batch_may_be_changed_without_changing_the_next(
    stored: Manifest, profile: Profile, tmp_path: Path, resident_bytes: int
) -> None:
    dataset = FeatureDataset(
        stored,
        stored.rows["utterance_id"].tolist(),
        streams=STREAMS,
        profile=profile,
        store=tmp_path / "store",
        resident_bytes=resident_bytes,
    )
    before = dataset.batch([0]).features["speech"].clone()
    dataset.batch([0]).features["speech"].zero_()
    assert torch.equal(dataset.batch([0]).features["speech"], before)


def test_faults_name_what_to_do(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(FeatureError, match="utterance 'nobody' is not in manifest"):
        _dataset(stored, profile, store, ["nobody"])
    with pytest.raises(FeatureError, match=r"has no features .*merflow features extract"):
        FeatureDataset(stored, [], streams=(Stream("text"),), profile=profile, store=store)
    relabelled = Manifest(
        rows=stored.rows.assign(emotion="angry"), root=stored.root, corpus=stored.corpus, taxonomy=stored.taxonomy
    )
    with pytest.raises(FeatureError, match=r"has no index of manifest .*merflow features extract"):
        _dataset(relabelled, profile, store)


def test_a_resident_dataset_reads_no_file_twice(stored: Manifest, profile: Profile, tmp_path: Path) -> None:
    dataset = FeatureDataset(
        stored,
        stored.rows["utterance_id"].tolist(),
        streams=STREAMS,
        profile=profile,
        store=tmp_path / "store",
        resident_bytes=1 << 30,
    )
    before = dataset.batch([3, 6, 0])
    shutil.rmtree(tmp_path / "store")
    after = dataset.batch([3, 6, 0])
    for role, values in before.features.items():
        assert torch.equal(after.features[role], values)
        assert torch.equal(after.present[role], before.present[role])
    assert dataset.batch([13]).features["speech"].shape[0] == 1

"""Raw batches, encoded in the graph, compared with the stored features of the same utterances."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.presets import Profile
from merflow.contracts.streams import EncoderPart, Role, Stream
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.corpus.synthetic.dialogue_files import write_dialogue
from merflow.corpus.synthetic.picture import FORMATS
from merflow.corpus.synthetic.plan import plan
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.raw_dataset import RawDataset
from merflow.features.batches.standardize import Standardizer
from merflow.features.encoders.huggingface.checkpoints import located
from merflow.features.extraction.stored_streams import extract_streams
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.presets.profiles import shipped_profile
from tests.features.conftest import MakeCorpus

STREAMS = (
    Stream("speech_layers", clip_s=0.5, skip_silence=True),
    Stream("text_layers", pooled=True, neighbours=2),
    Stream("context"),
)
LEARNING: dict[Role, EncoderPart] = {"speech_layers": "convolutions", "text_layers": "embeddings"}
FLOAT16 = 2.0**-11  # relative error of a stored number


@pytest.fixture
def tiny(encoders: Path) -> Profile:
    return located(shipped_profile("tiny").roles, streams=STREAMS, encoders_folder=str(encoders))


@pytest.fixture
def corpus(make_corpus: MakeCorpus, tiny: Profile, tmp_path: Path) -> Manifest:
    """Two dialogues of five turns. One turn has no recording, the last ones no words, and two the same words."""
    made = make_corpus(turns=5)
    rows = made.rows.copy()
    rows.loc[2, ["audio_path", "n_samples"]] = None
    rows.loc[[0, 1], "transcript"] = "the very same words"
    manifest = Manifest(rows=rows, root=made.root, corpus=made.corpus, taxonomy=made.taxonomy)
    extract_streams(manifest, streams=STREAMS, profile=tiny, store=tmp_path / "store", shard_utterances=4)
    return manifest


def _stored(manifest: Manifest, profile: Profile, store: Path, standardizer: Standardizer | None) -> FeatureDataset:
    ids = manifest.rows["utterance_id"].tolist()
    return FeatureDataset(manifest, ids, streams=STREAMS, profile=profile, store=store, standardizer=standardizer)


def _raw(
    manifest: Manifest, profile: Profile, store: Path, standardizer: Standardizer, *, micro_batch: int | None = None
) -> RawDataset:
    return RawDataset(
        manifest,
        manifest.rows["utterance_id"].tolist(),
        streams=STREAMS,
        learning=LEARNING,
        profile=profile,
        store=store,
        standardizer=standardizer,
        micro_batch=micro_batch,
        resident_bytes=1 << 20,
    )


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_frozen_weights_in_the_graph_continue_the_stored_features(
    corpus: Manifest, tiny: Profile, tmp_path: Path, micro_batch: int | None
) -> None:
    store = tmp_path / "store"
    standardizer = _stored(corpus, tiny, store, None).fit_standardizer()
    stored = _stored(corpus, tiny, store, standardizer)
    raw = _raw(corpus, tiny, store, standardizer, micro_batch=micro_batch)
    graph = EncodersInGraph(STREAMS, profile=tiny, learning=LEARNING, standardizer=standardizer)
    assert np.array_equal(raw.lengths, stored.lengths)
    assert raw.shapes == stored.shapes
    for _ in range(2):  # the second time from memory
        for indices in ([7, 2, 0, 4], [2], list(range(10))):
            batch = raw.batch(indices)
            assert isinstance(batch, RawBatch)
            assert len(batch) == len(indices)
            with torch.no_grad():
                found = graph(batch)
            _assert_continues(found, stored.batch(indices), standardizer)


def _assert_continues(found: Batch, expected: Batch, standardizer: Standardizer) -> None:
    assert found.utterance_ids == expected.utterance_ids
    assert found.labels is not None
    assert expected.labels is not None
    assert torch.equal(found.labels, expected.labels)
    assert found.features.keys() == expected.features.keys()
    for role, values in expected.features.items():
        assert torch.equal(found.present[role], expected.present[role]), role
        if role not in LEARNING:
            assert torch.equal(found.features[role], values)
            continue
        mean, deviation = torch.from_numpy(standardizer.mean[role]), torch.from_numpy(standardizer.deviation[role])
        largest = (values * deviation + mean).abs().max() if values.any() else torch.tensor(0.0)
        assert (((found.features[role] - values) * deviation).abs() <= (FLOAT16 + 1e-4) * largest).all()


def test_words_that_several_turns_share_are_encoded_once(corpus: Manifest, tiny: Profile, tmp_path: Path) -> None:
    store = tmp_path / "store"
    raw = _raw(corpus, tiny, store, _stored(corpus, tiny, store, None).fit_standardizer(), micro_batch=3)
    batch = raw.batch(range(5))
    (first, *_), text = batch.streams["text_layers"].slices, batch.streams["text_layers"]
    assert [len(part.values) for part in text.slices] == [3]  # of the four turns with words two are the same
    assert first.values.dtype == torch.int64
    assert text.members is not None
    assert text.members.shape == (5, 5)
    absent = len(text.positions)
    assert text.members[0].tolist() == [absent, absent, 0, 0, 1]
    assert text.members[4].tolist() == [1, 2, absent, absent, absent]


def test_utterances_without_the_modality_alone_are_masked(corpus: Manifest, tiny: Profile, tmp_path: Path) -> None:
    store = tmp_path / "store"
    standardizer = _stored(corpus, tiny, store, None).fit_standardizer()
    batch = _raw(corpus, tiny, store, standardizer).batch([2])
    assert batch.streams["speech_layers"].slices == ()
    found = EncodersInGraph(STREAMS, profile=tiny, learning=LEARNING, standardizer=standardizer)(batch)
    assert found.present["speech_layers"].tolist() == [[False]]
    assert not found.features["speech_layers"].any()


def test_a_recording_that_changed_is_refused(corpus: Manifest, tiny: Profile, tmp_path: Path) -> None:
    store = tmp_path / "store"
    raw = _raw(corpus, tiny, store, _stored(corpus, tiny, store, None).fit_standardizer())
    path = corpus.root / corpus.rows["audio_path"][0]
    samples, rate = sf.read(path, dtype="float32")
    sf.write(path, samples / 2, rate)
    with pytest.raises(FeatureError, match=rf"{corpus.rows['utterance_id'][0]}: its recording changed"):
        raw.batch([0])


@pytest.fixture
def filmed(tmp_path: Path) -> Manifest:
    """Return a dialogue on video."""
    dialogue = plan("tiny", 0)[0]
    write_dialogue(tmp_path / "release", dialogue, seed=0, layout=FORMATS["tiny"])
    film = tmp_path / f"release/Session1/dialog/avi/DivX/{dialogue.name}.avi"
    rows = [
        {
            "utterance_id": turn.utterance_id,
            "dialogue_id": "dialogue",
            "turn_index": number,
            "session": "Session1",
            "speaker": turn.letter,
            "video_path": str(film.relative_to(tmp_path / "release")),
            "video_side": "left" if number % 2 else "right",
            "start_s": turn.start_s,
            "end_s": turn.end_s,
            "emotion": "happy",
        }
        for number, turn in enumerate(dialogue.turns)
    ]
    return build_manifest(rows, root=tmp_path / "release", corpus="table", taxonomy="iemocap4")


def test_pictures_are_those_of_the_store(filmed: Manifest, encoders: Path, tmp_path: Path) -> None:
    manifest, rows = filmed, filmed.rows
    streams, store = (Stream("video", clip_s=0.2),), tmp_path / "store"
    profile = located(shipped_profile("tiny").roles, streams=streams, encoders_folder=str(encoders))
    extract_streams(manifest, streams=streams, profile=profile, store=store, shard_utterances=32)
    ids = [rows["utterance_id"].iloc[row] for row in (0, len(rows) - 1, 1)]
    bare = FeatureDataset(manifest, ids, streams=streams, profile=profile, store=store)
    standardizer = bare.fit_standardizer()
    stored = FeatureDataset(manifest, ids, streams=streams, profile=profile, store=store, standardizer=standardizer)
    learning: dict[Role, EncoderPart] = {"video": "transformer"}
    raw = RawDataset(
        manifest,
        ids,
        streams=streams,
        learning=learning,
        profile=profile,
        store=store,
        standardizer=standardizer,
        micro_batch=4,
    )
    graph = EncodersInGraph(streams, profile=profile, learning=learning, standardizer=standardizer)
    with torch.no_grad():
        encoded, expected = graph(raw.batch([0, 1, 2])), stored.batch([0, 1, 2])
    assert torch.equal(encoded.present["video"], expected.present["video"])
    assert expected.present["video"].sum() > 10
    deviation = torch.from_numpy(standardizer.deviation["video"])
    error = (encoded.features["video"] - expected.features["video"]).mul(deviation).abs().max()
    assert error <= (FLOAT16 + 1e-4) * torch.from_numpy(np.concatenate(list(bare.stored("video")))).abs().max()

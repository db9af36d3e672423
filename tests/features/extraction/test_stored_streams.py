"""Streams of a corpus in the feature store: what is stored, what is shared, and what an interrupted run leaves."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.presets import Profile
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.corpus.samples import read_samples
from merflow.errors import FeatureError
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.lite.speech import LiteSpeech, LiteSpeechSettings
from merflow.features.extraction.stored_streams import Pace, extract_streams
from merflow.features.store.keyed import open_store
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus
from tests.features.extraction.changed_corpora import changed, truncate

# Extracts a manifest's speech frames and text in a process of its own.
PROGRAM = """
import sys
from pathlib import Path
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest
from merflow.features.extraction.stored_streams import extract_streams
manifest, store = map(Path, sys.argv[1:])
extract_streams(
    read_manifest(manifest),
    streams=(Stream("speech"), Stream("text")),
    profile={
        "speech": EncoderSpec(name="lite-speech", settings={"mel_bands": 12, "window_s": 0.4}),
        "text": EncoderSpec(name="lite-text", settings={"width": 32}),
    },
    store=store,
    shard_utterances=3,
)
"""


def _files(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def _shards(store: Path, key: str) -> set[str]:
    return {path.name for path in (store / key / "shards").iterdir()}


def test_stored_numbers_are_the_encoders_in_half_precision(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest = make_corpus()
    store = tmp_path / "store"
    (stored,) = extract_streams(manifest, streams=(FRAMES,), profile=profile, store=store, shard_utterances=4)
    assert stored.stream == FRAMES
    assert stored.key == feature_key(profile["speech"], FRAMES).digest
    assert (stored.shape.layers, stored.shape.width, stored.entries) == (None, 400, 14)
    keyed = open_store(store, feature_key(profile["speech"], FRAMES))
    index, places = keyed.read_index(manifest.hash), keyed.locations()
    assert index["utterance_id"].tolist() == manifest.rows["utterance_id"].tolist()
    encoder = LiteSpeech(LiteSpeechSettings(mel_bands=12, window_s=0.4))
    for row, digest in enumerate(index["digest"]):
        samples = read_samples(manifest.root / manifest.rows["audio_path"][row], n_samples=None, resample=False)
        expected = encoder.encode([encoder.prepare(samples)])[0].astype(np.float16)
        assert np.array_equal(keyed.read(places[digest]), expected)
        assert index["steps"][row] == len(expected)
    assert keyed.verify() == 4


def test_clips_and_means_are_stored(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    streams = (Stream("speech", clip_s=0.2), Stream("speech", pooled=True))
    store = tmp_path / "store"
    extract_streams(manifest, streams=streams, profile=profile, store=store, shard_utterances=50)
    steps = [
        set(open_store(store, feature_key(profile["speech"], stream)).read_index(manifest.hash)["steps"])
        for stream in streams
    ]
    assert steps == [{9}, {1}]


def test_progress_counts_every_stage_to_its_end(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    extract_streams(
        make_corpus(),
        streams=(SPEECH, TEXT),
        profile=profile,
        store=tmp_path / "store",
        shard_utterances=4,
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    last = {stage: (done, total) for stage, done, total in told}
    assert last == {
        "read audio": (14, 14),
        "read text": (12, 12),
        "extract speech_layers": (14, 14),
        "extract text_layers": (12, 12),
    }


def test_a_second_run_writes_no_shard(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest, store = make_corpus(), tmp_path / "store"
    extract_streams(manifest, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    times = {path: path.stat().st_mtime_ns for path in store.rglob("*.safetensors")}
    assert len(times) == 4 + 3
    extract_streams(manifest, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.safetensors")} == times


def test_a_corrected_transcript_is_one_new_entry(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest, store = make_corpus(), tmp_path / "store"
    audio, text = extract_streams(manifest, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    before = {stored.key: _shards(store, stored.key) for stored in (audio, text)}
    corrected = changed(manifest, "transcript", 1, "what was said after all")
    extract_streams(corrected, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    assert _shards(store, audio.key) == before[audio.key]
    (new,) = _shards(store, text.key) - before[text.key]
    keyed = open_store(store, feature_key(profile["text_layers"], TEXT))
    (digest,) = [digest for digest, place in keyed.locations().items() if place.shard == Path(new).stem]
    assert keyed.read_index(corrected.hash)["digest"][1] == digest
    old = keyed.read_index(manifest.hash)["digest"]
    now = keyed.read_index(corrected.hash)["digest"]
    assert [row for row in range(14) if old.fillna("")[row] != now.fillna("")[row]] == [1]


def test_two_corpora_share_what_they_have_in_common(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    store = tmp_path / "store"
    one, same, other = make_corpus("one"), make_corpus("same"), make_corpus("other", first_seed=100)
    (first,) = extract_streams(one, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)
    shards = _shards(store, first.key)
    extract_streams(same, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)
    assert _shards(store, first.key) == shards
    extract_streams(other, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)
    assert len(_shards(store, first.key)) == 2 * len(shards) == 8


def test_equal_inputs_are_encoded_once(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    repeated = Manifest(
        rows=manifest.rows.assign(transcript="the same words"),
        root=manifest.root,
        corpus="table",
        taxonomy=manifest.taxonomy,
    )
    (stored,) = extract_streams(
        repeated, streams=(TEXT,), profile=profile, store=tmp_path / "store", shard_utterances=4
    )
    assert stored.entries == 14
    keyed = open_store(tmp_path / "store", feature_key(profile["text_layers"], TEXT))
    assert len(keyed.locations()) == 1
    assert set(keyed.read_index(repeated.hash)["steps"]) == {1}


def test_reader_processes_make_the_same_store(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus(turns=12)
    truncate(manifest, 5)
    found = []
    for workers in (0, 2):
        store = tmp_path / f"store{workers}"
        pace = Pace(workers=workers, batch_cost={"audio": 60, "text": 20})
        stored = extract_streams(
            manifest, streams=(SPEECH, FRAMES, TEXT), profile=profile, store=store, shard_utterances=5, pace=pace
        )
        assert [len(one.quarantined) for one in stored] == [1, 1, 0]
        assert [one.effort.encoded for one in stored] == [23, 23, 22]
        assert all(0 <= one.effort.padding < 0.1 for one in stored)
        found.append(_files(store))
    assert found[0] == found[1]
    assert len(found[0]) == 3 * 2 + 3 * 5


def test_a_killed_run_s_plan_is_kept_to(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest, store = make_corpus(), tmp_path / "store"

    class Stop(Exception):  # noqa: N818 - no error, a moment
        pass

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "extract speech" and done > 9:
            raise Stop

    with pytest.raises(Stop):
        extract_streams(manifest, streams=(FRAMES,), profile=profile, store=store, shard_utterances=4, progress=stop)
    key = feature_key(profile["speech"], FRAMES).digest
    before = _shards(store, key)
    assert 1 <= len(before) < 4
    assert list((store / key / "claims").iterdir()) == []
    # Another size of shards changes nothing for the rest of a plan.
    extract_streams(manifest, streams=(FRAMES,), profile=profile, store=store, shard_utterances=14)
    assert before < _shards(store, key)
    assert len(_shards(store, key)) == 4
    assert list((store / key).glob("plan-*")) == []


def test_a_corrupt_shard_is_named_and_made_again_once_deleted(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest, store = make_corpus(), tmp_path / "store"

    def run() -> None:
        extract_streams(manifest, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)

    run()
    whole = _files(store)
    spoiled = next(store.rglob("*.safetensors"))
    spoiled.write_bytes(spoiled.read_bytes()[:200])
    with pytest.raises(FeatureError) as caught:
        run()
    assert f"shard {spoiled} is corrupt" in str(caught.value)
    spoiled.unlink()
    run()
    assert _files(store) == whole


def _start(manifest: Path, store: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(manifest), str(store)])


def test_two_processes_at_once_end_like_one(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    manifest, store = tmp_path / "manifest.parquet", tmp_path / "store"
    write_manifest(make_corpus(turns=20), manifest)
    both = [_start(manifest, store) for _ in range(2)]
    for process in both:
        process.wait()
    assert [process.returncode for process in both] == [0, 0]
    together = _files(store)
    shutil.rmtree(store)
    _start(manifest, store).wait()
    assert _files(store) == together
    assert len(together) == 31

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from merflow.contracts.errors import FeatureError
from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.features.encoders import encoder_key
from merflow.features.extraction import extract
from merflow.features.lite_speech import LiteSpeech, LiteSpeechSettings
from merflow.features.media import read_recording
from merflow.features.store import open_store
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus

# Extracts a manifest's speech frames and text in a process of its own.
PROGRAM = """
import sys
from pathlib import Path
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest
from merflow.features.extraction import extract
manifest, store = map(Path, sys.argv[1:])
extract(
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


def _changed(manifest: Manifest, column: str, row: int, value: object) -> Manifest:
    rows = manifest.rows.copy()
    rows.loc[row, column] = value
    return Manifest(rows=rows, root=manifest.root, corpus=manifest.corpus, taxonomy=manifest.taxonomy)


def test_stored_numbers_are_the_encoders_in_half_precision(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest = make_corpus()
    store = tmp_path / "store"
    (stored,) = extract(manifest, streams=(FRAMES,), profile=profile, store=store, shard_utterances=4)
    assert stored.stream == FRAMES
    assert stored.key == encoder_key(profile["speech"], FRAMES)
    assert (stored.shape.layers, stored.shape.width, stored.entries) == (None, 60, 14)
    keyed = open_store(store, spec=profile["speech"], stream=FRAMES)
    index, places = keyed.read_index(manifest.hash), keyed.places()
    assert index["utterance_id"].tolist() == manifest.rows["utterance_id"].tolist()
    encoder = LiteSpeech(LiteSpeechSettings(mel_bands=12, window_s=0.4))
    for row, digest in enumerate(index["digest"]):
        samples = read_recording(manifest.root / manifest.rows["audio_path"][row])
        expected = next(encoder.encode([samples])).astype(np.float16)
        assert np.array_equal(keyed.open_shard(places[digest].shard).entry(places[digest]), expected)
        assert index["steps"][row] == len(expected)
    assert keyed.verify() == 4


def test_clips_and_means_are_stored(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    streams = (Stream("speech", clip_s=0.2), Stream("speech", pooled=True))
    store = tmp_path / "store"
    extract(manifest, streams=streams, profile=profile, store=store, shard_utterances=50)
    steps = [
        set(open_store(store, spec=profile["speech"], stream=stream).read_index(manifest.hash)["steps"])
        for stream in streams
    ]
    assert steps == [{9}, {1}]


def test_progress_counts_every_stage_to_its_end(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    extract(
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
        "read text": (14, 14),
        "extract speech_layers": (14, 14),
        "extract text_layers": (12, 12),
    }


def test_a_second_run_writes_no_shard(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest, store = make_corpus(), tmp_path / "store"
    extract(manifest, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    times = {path: path.stat().st_mtime_ns for path in store.rglob("*.safetensors")}
    assert len(times) == 4 + 3
    extract(manifest, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.safetensors")} == times


def test_a_corrected_transcript_is_one_new_entry(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest, store = make_corpus(), tmp_path / "store"
    audio, text = extract(manifest, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    before = {stored.key: _shards(store, stored.key) for stored in (audio, text)}
    corrected = _changed(manifest, "transcript", 1, "what was said after all")
    extract(corrected, streams=(SPEECH, TEXT), profile=profile, store=store, shard_utterances=4)
    assert _shards(store, audio.key) == before[audio.key]
    (new,) = _shards(store, text.key) - before[text.key]
    keyed = open_store(store, spec=profile["text_layers"], stream=TEXT)
    (digest,) = [digest for digest, place in keyed.places().items() if place.shard == Path(new).stem]
    assert keyed.read_index(corrected.hash)["digest"][1] == digest
    old = keyed.read_index(manifest.hash)["digest"]
    now = keyed.read_index(corrected.hash)["digest"]
    assert [row for row in range(14) if old.fillna("")[row] != now.fillna("")[row]] == [1]


def test_two_corpora_share_what_they_have_in_common(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    store = tmp_path / "store"
    one, same, other = make_corpus("one"), make_corpus("same"), make_corpus("other", first_seed=100)
    (first,) = extract(one, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)
    shards = _shards(store, first.key)
    extract(same, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)
    assert _shards(store, first.key) == shards
    extract(other, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)
    assert len(_shards(store, first.key)) == 2 * len(shards) == 8


def test_equal_inputs_are_encoded_once(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    repeated = Manifest(
        rows=manifest.rows.assign(transcript="the same words"), root=manifest.root, corpus="table", taxonomy="iemocap4"
    )
    (stored,) = extract(repeated, streams=(TEXT,), profile=profile, store=tmp_path / "store", shard_utterances=4)
    assert stored.entries == 14
    keyed = open_store(tmp_path / "store", spec=profile["text_layers"], stream=TEXT)
    assert len(keyed.places()) == 1
    assert set(keyed.read_index(repeated.hash)["steps"]) == {1}


def test_a_modality_that_the_corpus_lacks_is_named(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus(text=False)
    with pytest.raises(FeatureError) as caught:
        extract(manifest, streams=(SPEECH, TEXT), profile=profile, store=tmp_path / "store", shard_utterances=4)
    for word in ("'text_layers'", "'table'", str(manifest.root), "'transcript'", "14 utterances"):
        assert word in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_a_bad_recording_names_its_utterance(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    path = manifest.root / manifest.rows["audio_path"][3]
    sf.write(path, np.zeros(1_000), 8_000)
    with pytest.raises(FeatureError, match=rf"utterance {manifest.rows['utterance_id'][3]}: .*{path.name} has 8000 Hz"):
        extract(manifest, streams=(SPEECH,), profile=profile, store=tmp_path / "store", shard_utterances=4)


def test_numbers_beyond_half_precision_are_refused(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merflow.features.lite_text._signs", lambda _key, width: np.full(width, np.inf))
    profile: Profile = {"text": EncoderSpec(name="lite-text", settings={"width": 48})}
    with (
        pytest.raises(FeatureError, match=r"text of input [0-9a-f]{12} is not finite in float16"),
        np.errstate(all="ignore"),
    ):
        extract(make_corpus(), streams=(Stream("text"),), profile=profile, store=tmp_path / "s", shard_utterances=4)


def test_a_corrupt_shard_is_named_and_made_again_once_deleted(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest, store = make_corpus(), tmp_path / "store"

    def run() -> None:
        extract(manifest, streams=(SPEECH,), profile=profile, store=store, shard_utterances=4)

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

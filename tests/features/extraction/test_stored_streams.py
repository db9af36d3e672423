import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.corpus.samples import read_samples
from merflow.errors import FeatureError
from merflow.features.encoders.interface import Prepared
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.lite.speech import LiteSpeech, LiteSpeechSettings
from merflow.features.encoders.lite.text import LiteText
from merflow.features.extraction.reading_tasks import Preparation, PreparedInput, ShardInput
from merflow.features.extraction.stored_streams import Pace, StoredStream, extract_streams
from merflow.features.store.keyed import open_store
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus

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


def _changed(manifest: Manifest, column: str, row: int, value: object) -> Manifest:
    rows = manifest.rows.copy()
    rows.loc[row, column] = value
    return Manifest(rows=rows, root=manifest.root, corpus=manifest.corpus, taxonomy=manifest.taxonomy)


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
    corrected = _changed(manifest, "transcript", 1, "what was said after all")
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


def test_a_modality_that_the_corpus_lacks_is_named(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus(text=False)
    with pytest.raises(FeatureError) as caught:
        extract_streams(manifest, streams=(SPEECH, TEXT), profile=profile, store=tmp_path / "store", shard_utterances=4)
    for word in ("'text_layers'", "'table'", str(manifest.root), "'transcript'", "14 utterances"):
        assert word in str(caught.value)
    assert not (tmp_path / "store").exists()


def _spoil(manifest: Manifest, row: int) -> Path:
    path: Path = manifest.root / manifest.rows["audio_path"][row]
    path.write_bytes(path.read_bytes()[:600])
    return path


def test_a_bad_recording_is_quarantined_with_its_reason(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest, store = make_corpus(), tmp_path / "store"
    path = _spoil(manifest, 3)
    stored = extract_streams(manifest, streams=(SPEECH, FRAMES, TEXT), profile=profile, store=store, shard_utterances=4)
    utterance = manifest.rows["utterance_id"][3]
    for one in stored[:2]:
        (quarantined,) = one.quarantined
        assert (quarantined.utterance_id, quarantined.role) == (utterance, one.stream.role)
        assert quarantined.reason.startswith(f"{path} is truncated")
        assert one.entries == 13
        index = open_store(store, feature_key(profile[one.stream.role], one.stream)).read_index(manifest.hash)
        assert index["steps"][3] == 0
        assert (index["steps"].drop(3) > 0).all()
    assert stored[2].quarantined == ()


def test_a_bad_recording_ends_a_strict_extraction(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    path = _spoil(manifest, 3)
    with pytest.raises(FeatureError, match=rf"utterance {manifest.rows['utterance_id'][3]}: {path} is truncated"):
        extract_streams(
            manifest, streams=(SPEECH,), profile=profile, store=tmp_path / "store", shard_utterances=4, strict=True
        )


def test_no_readable_recording_at_all_is_an_error(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    for path in manifest.root.glob("*.wav"):
        path.unlink()
    with pytest.raises(FeatureError, match=r"none of the 14 audio inputs .* can be read; corpus_d0_00: no such rec"):
        extract_streams(manifest, streams=(SPEECH,), profile=profile, store=tmp_path / "store", shard_utterances=4)


def test_numbers_beyond_half_precision_are_quarantined(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile: Profile = {"text": EncoderSpec(name="lite-text", settings={"width": 48})}
    plain = LiteText.prepare

    def spoiled(encoder: LiteText, source: str) -> Prepared:
        values, cost = plain(encoder, source)
        return Prepared(values * 1e6 if "turn 2 of" in source else values, cost)

    monkeypatch.setattr(LiteText, "prepare", spoiled)
    manifest = make_corpus()

    def run(*, strict: bool) -> StoredStream:
        (stored,) = extract_streams(
            manifest,
            streams=(Stream("text"),),
            profile=profile,
            store=tmp_path / f"store{strict}",
            shard_utterances=4,
            strict=strict,
        )
        return stored

    stored = run(strict=False)
    assert [one.utterance_id for one in stored.quarantined] == ["corpus_d0_02", "corpus_d1_02"]
    assert {one.reason.partition(";")[0] for one in stored.quarantined} == {"its features are not finite in float16"}
    assert stored.entries == 10
    with pytest.raises(FeatureError, match=r"utterance corpus_d\d_02, text: its features are not finite in float16"):
        run(strict=True)


def test_an_input_that_the_encoder_refuses_does_not_take_its_batch_along(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile: Profile = {"text": EncoderSpec(name="lite-text", settings={"width": 48})}
    sizes: list[int] = []
    plain = LiteText.encode

    def picky(encoder: LiteText, batch: Sequence[Prepared]) -> list[np.ndarray]:
        sizes.append(len(batch))
        if any(len(one.values) > 7 for one in batch):
            raise FeatureError("longer than the encoder takes")
        return plain(encoder, batch)

    monkeypatch.setattr(LiteText, "encode", picky)
    manifest = _changed(make_corpus(), "transcript", 4, "one two three four five six seven eight")
    (stored,) = extract_streams(
        manifest,
        streams=(Stream("text"),),
        profile=profile,
        store=tmp_path / "store",
        shard_utterances=100,
        pace=Pace(batch_cost={"text": 1000}),
    )
    assert [tuple(one) for one in stored.quarantined] == [("corpus_d0_04", "text", "longer than the encoder takes")]
    assert stored.entries == 11
    assert max(sizes) > 4


def test_reader_processes_make_the_same_store(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus(turns=12)
    _spoil(manifest, 5)
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


@dataclass(frozen=True)
class Deadly(Preparation):
    """Crashes at one of the inputs, as a decoder may."""

    def __call__(self, unit: Sequence[ShardInput]) -> Iterator[PreparedInput]:
        for ticket in unit:
            if ticket.source.utterance_id.endswith("d0_03"):
                os.kill(os.getpid(), signal.SIGSEGV)
            yield from super().__call__([ticket])


def test_an_input_at_which_readers_crash_is_quarantined(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, store = make_corpus(turns=12), tmp_path / "store"
    monkeypatch.setattr("merflow.features.extraction.filling.Preparation", Deadly)

    (stored,) = extract_streams(
        manifest, streams=(FRAMES,), profile=profile, store=store, shard_utterances=8, pace=Pace(workers=2)
    )
    ((utterance, role, reason),) = stored.quarantined
    assert (utterance, role, stored.entries) == ("corpus_d0_03", "speech", 23)
    assert reason.startswith(f"{manifest.root / 'd0_03.wav'}: a process that reads it ends by SIGSEGV, even if")


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

"""Extraction of video: one pass over every dialogue's file, in any process."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.params import Params
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import FeatureError
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.keys import feature_key
from merflow.features.extraction import reading_tasks
from merflow.features.extraction.stored_streams import Pace, StoredStream, extract_streams
from merflow.features.media.dialogue_video import VideoSpan, read_dialogue
from merflow.features.store.keyed import open_store
from merflow.jobs.extract import extract as extract_job
from merflow.jobs.index import index
from merflow.presets.profiles import shipped_profile

VIDEO = Stream("video", clip_s=1.0)
PROFILE = shipped_profile("lite").roles


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize(tmp_path_factory.mktemp("release") / "tiny", size="tiny", video=True)


def _manifest(release: Path, params: Params, out: Path) -> Manifest:
    index(release, corpus="iemocap", out=out, params=params.corpus)
    found = read_manifest(out)
    dialogues = sorted(set(found.rows["dialogue_id"]))[:3]
    rows = found.rows[found.rows["dialogue_id"].isin(dialogues)].reset_index(drop=True)
    return Manifest(rows=rows, root=found.root, corpus=found.corpus, taxonomy=found.taxonomy)


def _extracted(manifest: Manifest, store: Path, *, workers: int = 0) -> StoredStream:
    pace = Pace(workers=workers, batch_cost={"video": 100})
    (stored,) = extract_streams(
        manifest, streams=(VIDEO,), profile=PROFILE, store=store, shard_utterances=128, pace=pace
    )
    return stored


def test_every_dialogue_is_decoded_once_and_gives_what_it_gives_alone(
    release: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = _manifest(release, params, tmp_path / "manifest.parquet")
    passes: list[Path] = []

    def counted(path: Path, spans: Sequence[VideoSpan], **settings: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
        passes.append(path)
        return read_dialogue(path, spans, **settings)

    monkeypatch.setattr(reading_tasks, "read_dialogue", counted)
    store = tmp_path / "store"
    stored = _extracted(manifest, store)
    assert sorted(passes) == sorted(manifest.root / path for path in set(manifest.rows["video_path"]))
    assert stored.entries == len(manifest.rows)
    assert stored.quarantined == ()
    keyed = open_store(store, feature_key(PROFILE["video"], VIDEO))
    assert len(keyed.shard_files()) == 3
    rows = keyed.read_index(manifest.hash)
    encoder = build_encoder(PROFILE["video"], VIDEO)
    for row in (0, len(rows) // 2, len(rows) - 1):
        record = manifest.rows.iloc[row]
        span = VideoSpan(record["utterance_id"], record["video_side"], record["start_s"], record["end_s"])
        ((_, frames),) = read_dialogue(manifest.root / record["video_path"], [span], clip_s=1.0)
        assert isinstance(frames, np.ndarray)
        (alone,) = encoder.encode([encoder.prepare(frames)])
        place = keyed.locations()[rows["digest"][row]]
        assert np.array_equal(keyed.read(place), alone.astype(np.float16))


def test_processes_and_a_copied_corpus_make_the_same_store(release: Path, params: Params, tmp_path: Path) -> None:
    manifest = _manifest(release, params, tmp_path / "manifest.parquet")
    copied = tmp_path / "elsewhere"
    shutil.copytree(release, copied)
    again = _manifest(copied, params, tmp_path / "again.parquet")
    one, two = tmp_path / "one", tmp_path / "two"
    _extracted(manifest, one)
    _extracted(manifest, two, workers=2)
    contents = [{path.name: path.read_bytes() for path in store.rglob("*.safetensors")} for store in (one, two)]
    assert contents[0] == contents[1]
    assert _extracted(again, one).effort.encoded == 0


def test_a_truncated_video_sets_its_utterances_aside(release: Path, params: Params, tmp_path: Path) -> None:
    copied = tmp_path / "release"
    shutil.copytree(release, copied)
    manifest = _manifest(copied, params, tmp_path / "manifest.parquet")
    spoiled = manifest.rows["video_path"].iloc[0]
    path = manifest.root / spoiled
    path.write_bytes(path.read_bytes()[:2_000])
    stored = _extracted(manifest, tmp_path / "store")
    lost = manifest.rows[manifest.rows["video_path"] == spoiled]["utterance_id"].tolist()
    assert {aside.utterance_id for aside in stored.quarantined} == set(lost)
    assert all(str(path) in aside.reason for aside in stored.quarantined)
    assert stored.entries == len(manifest.rows) - len(lost) > 0


def test_a_corpus_without_video_is_refused_with_a_remedy(tiny_release: Path, params: Params, tmp_path: Path) -> None:
    index(tiny_release, corpus="synthetic", out=tmp_path / "m.parquet", params=params.corpus)
    with pytest.raises(FeatureError, match="choose variants without video") as refused:
        extract_job(
            tmp_path / "m.parquet",
            variants=["gia-mic:v"],
            store=tmp_path / "store",
            out=tmp_path / "features.json",
            params=params.features,
            corpus=params.corpus,
        )
    assert str(refused.value) == (
        f"role 'video' needs video, but corpus 'synthetic' in {tiny_release} has no 'video_path' in any of its 70 "
        "utterances; choose variants without video "
        "(`merflow data synthesize --video` generates a synthetic release that has it)"
    )
    assert not (tmp_path / "store").exists()

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.presets import Profile
from merflow.contracts.streams import Stream
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.mosei_pickle import Array, open_mosei_pickle
from merflow.corpus.readers.mosei_pickle import read_mosei_pickle
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.precomputed import bound
from merflow.features.extraction.stored_streams import StoredStream, extract_streams
from merflow.features.store.keyed import open_store
from merflow.presets.profiles import shipped_profile

STREAMS = (Stream("speech"), Stream("video"), Stream("text"))
ARRAYS: dict[str, Array] = {"speech": "audio", "video": "vision", "text": "text"}


def corpus(path: Path) -> tuple[Manifest, Profile]:
    manifest = read_mosei_pickle(path, taxonomy=taxonomy("iemocap4"))
    return manifest, bound(shipped_profile("mosei").roles, root=manifest.root)


def extracted(
    manifest: Manifest, profile: Profile, store: Path, *, streams: Sequence[Stream] = STREAMS, strict: bool = False
) -> tuple[StoredStream, ...]:
    return extract_streams(manifest, streams=streams, profile=profile, store=store, shard_utterances=16, strict=strict)


@pytest.mark.parametrize("name", FILES.values())
def test_the_store_holds_the_files_numbers_in_half_precision(mosei_pickles: Path, tmp_path: Path, name: str) -> None:
    manifest, profile = corpus(mosei_pickles / name)
    file = open_mosei_pickle(mosei_pickles / name)
    clips = {clip.utterance_id: clip for clip in file.clips}
    for stored in extracted(manifest, profile, tmp_path):
        keyed = open_store(tmp_path, feature_key(stored.spec, stored.stream))
        index, places = keyed.read_index(manifest.hash), keyed.locations()
        assert (stored.entries, stored.quarantined) == (100, ())
        for utterance, digest in zip(index["utterance_id"], index["digest"], strict=True):
            clip = clips[utterance]
            expected = file.parts[clip.part].steps(ARRAYS[stored.stream.role], clip.row)
            assert np.array_equal(keyed.read(places[digest]), expected.astype(np.float16))


def test_batches_mask_what_the_file_pads(mosei_pickles: Path, tmp_path: Path) -> None:
    for name in FILES.values():
        manifest, profile = corpus(mosei_pickles / name)
        extracted(manifest, profile, tmp_path)
        ids = manifest.rows["utterance_id"].tolist()[:8]
        dataset = FeatureDataset(manifest, ids, streams=STREAMS, profile=profile, store=tmp_path)
        batch = dataset.batch(range(8))
        file = open_mosei_pickle(mosei_pickles / name)
        clips = {clip.utterance_id: clip for clip in file.clips}
        for role, array in ARRAYS.items():
            counts = [file.parts[clips[one].part].step_count(array, clips[one].row) for one in ids]
            assert batch.present[role].sum(dim=1).tolist() == counts  # type: ignore[index] # a role


def test_after_extraction_the_file_is_not_needed(mosei_pickles: Path, tmp_path: Path) -> None:
    path = tmp_path / "aligned_50.pkl"
    path.write_bytes((mosei_pickles / FILES["aligned"]).read_bytes())
    manifest, profile = corpus(path)
    extracted(manifest, profile, tmp_path / "store")
    path.unlink()
    ids = manifest.rows["utterance_id"].tolist()
    dataset = FeatureDataset(manifest, ids, streams=STREAMS, profile=profile, store=tmp_path / "store")
    standardized = FeatureDataset(
        manifest,
        ids,
        streams=STREAMS,
        profile=profile,
        store=tmp_path / "store",
        standardizer=dataset.fit_standardizer(),
    ).batch(range(100))
    speech = standardized.features["speech"][standardized.present["speech"]]
    assert abs(float(speech.mean())) < 1e-3
    assert abs(float(speech.std()) - 1) < 1e-2


def test_stored_features_are_not_read_again(mosei_pickles: Path, tmp_path: Path) -> None:
    manifest, profile = corpus(mosei_pickles / FILES["aligned"])
    assert [one.effort.encoded for one in extracted(manifest, profile, tmp_path)] == [100, 100, 100]
    # A clip of 6 s has no meaning for steps without times, so it is the same entry.
    streams = (*STREAMS, Stream("speech", clip_s=6.0))
    assert [one.effort.encoded for one in extracted(manifest, profile, tmp_path, streams=streams)] == [0] * 4


def test_a_number_that_is_not_finite_sets_its_utterance_aside(mosei_pickles: Path, tmp_path: Path) -> None:
    path = tmp_path / "aligned_50.pkl"
    content = bytearray((mosei_pickles / FILES["aligned"]).read_bytes())
    vision = open_mosei_pickle(mosei_pickles / FILES["aligned"]).parts["train"].features["vision"]
    at = content.index(vision.tobytes())
    content[at : at + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    manifest, profile = corpus(path)
    streams = (Stream("video"),)
    (stored,) = extracted(manifest, profile, tmp_path / "store", streams=streams)
    (refused,) = stored.quarantined
    first = open_mosei_pickle(path).clips[0].utterance_id
    assert (refused.utterance_id, refused.role) == (first, "video")
    assert "not finite in float16" in refused.reason
    with pytest.raises(FeatureError, match=f"utterance {first}, video: its features are not finite"):
        extracted(manifest, profile, tmp_path / "strict", streams=streams, strict=True)


def test_a_file_without_an_utterance_of_the_manifest_is_refused(mosei_pickles: Path, tmp_path: Path) -> None:
    manifest, profile = corpus(mosei_pickles / FILES["aligned"])
    other = replace(manifest, rows=manifest.rows.assign(utterance_id=["absent_1", *manifest.rows["utterance_id"][1:]]))
    with pytest.raises(FeatureError, match="has no utterance absent_1: it is another file"):
        extracted(other, profile, tmp_path)

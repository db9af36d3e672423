from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.contracts.presets import Profile, spec_of
from merflow.corpus.manifest import Manifest
from merflow.features.batches import resident
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.resident import DeviceRows, HostRows
from merflow.features.batches.stored_rows import StoredRows
from merflow.features.encoders.keys import feature_key
from merflow.features.extraction.stored_streams import extract_streams
from merflow.features.store.keyed import open_store
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus

STREAMS = (SPEECH, FRAMES, TEXT)


@pytest.fixture
def manifest(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> Manifest:
    """Corpus in which one utterance has no recording and one has no words."""
    whole = make_corpus()
    rows = whole.rows.copy()
    rows.loc[4, ["audio_path", "n_samples"]] = None
    manifest = Manifest(rows=rows, root=whole.root, corpus=whole.corpus, taxonomy=whole.taxonomy)
    extract_streams(manifest, streams=STREAMS, profile=profile, store=tmp_path / "store", shard_utterances=5)
    return manifest


def _dataset(
    manifest: Manifest, profile: Profile, store: Path, *, device: torch.device | None = None, standardize: bool = True
) -> FeatureDataset:
    everything = FeatureDataset(
        manifest, manifest.rows["utterance_id"].tolist(), streams=STREAMS, profile=profile, store=store
    )
    return FeatureDataset(
        manifest,
        manifest.rows["utterance_id"].tolist(),
        streams=STREAMS,
        profile=profile,
        store=store,
        standardizer=everything.fit_standardizer() if standardize else None,
        resident_bytes=0 if device is None else 1 << 30,
        resident_on=device,
    )


@pytest.mark.parametrize("carried", [1, 256 << 20])
def test_rows_in_memory_are_those_in_the_store(
    manifest: Manifest, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carried: int
) -> None:
    monkeypatch.setattr(resident, "_CARRIED_BYTES", carried)
    keyed = open_store(tmp_path / "store", feature_key(spec_of(SPEECH, profile), SPEECH))
    stored = StoredRows(keyed, manifest)
    rows = np.array([13, 4, 2, 9])
    held = HostRows(stored, rows)
    for one, other in zip(held.entries([9, 2, 13]), stored.entries([9, 2, 13]), strict=True):
        assert np.array_equal(one, other)
    gathered = DeviceRows(stored, rows, scale=None, device=torch.device("cpu"))
    longest = int(stored.steps[rows].max())
    wanted = np.array([[2], [4], [-1], [13]])
    values, present = gathered.gather(wanted, offsets=np.arange(longest)[None])
    assert present.sum(dim=1).tolist() == [stored.steps[2], 0, 0, stored.steps[13]]
    assert (values[~present] == 0).all()
    for place in (0, 3):
        (entry,) = stored.entries([int(wanted[place, 0])])
        assert torch.equal(values[place, : len(entry)], torch.from_numpy(entry.astype(np.float32)))


def _check_equal_batches(manifest: Manifest, profile: Profile, store: Path, *, device: torch.device) -> None:
    for standardize in (False, True):
        from_store = _dataset(manifest, profile, store, standardize=standardize)
        in_memory = _dataset(manifest, profile, store, device=device, standardize=standardize)
        for indices in ([0, 13, 4], [6], [4], [7, 5, 3, 2, 1]):
            expected, found = from_store.batch(indices), in_memory.batch(indices)
            for role, values in expected.features.items():
                assert found.features[role].device.type == device.type
                assert found.present[role].device.type == device.type
                assert torch.equal(found.present[role].cpu(), expected.present[role])
                torch.testing.assert_close(found.features[role].cpu(), values, rtol=1e-6, atol=1e-6)
            assert expected.labels is not None
            assert found.labels is not None
            assert found.labels.tolist() == expected.labels.tolist()


def test_a_batch_from_the_hosts_memory_is_the_same(manifest: Manifest, profile: Profile, tmp_path: Path) -> None:
    _check_equal_batches(manifest, profile, tmp_path / "store", device=torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_from_the_devices_memory_is_the_same_and_waits_for_nothing(
    manifest: Manifest, profile: Profile, tmp_path: Path
) -> None:
    device = torch.device("cuda")
    _check_equal_batches(manifest, profile, tmp_path / "store", device=device)
    dataset = _dataset(manifest, profile, tmp_path / "store", device=device)
    dataset.batch([0])
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = dataset.batch([5, 0, 4])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.features["speech"].shape[0] == 3


def test_what_fits_is_counted_in_16_bits(manifest: Manifest, profile: Profile, tmp_path: Path) -> None:
    keyed = open_store(tmp_path / "store", feature_key(spec_of(SPEECH, profile), SPEECH))
    rows = np.arange(len(manifest.rows))
    stored = StoredRows(keyed, manifest)
    assert stored.bytes_of(rows) == sum(entry.nbytes for entry in stored.entries(stored.as_stored(rows).tolist()))

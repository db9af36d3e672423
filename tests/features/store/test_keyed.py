import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream, StreamShape
from merflow.errors import FeatureError, OutputError
from merflow.features.encoders.keys import feature_key
from merflow.features.store.keyed import KeyedStore, create_store, open_store

SPEC = EncoderSpec(name="lite-speech", settings={"mel_bands": 24, "window_s": 0.4})
STREAM = Stream("speech")
SHAPE = StreamShape(layers=None, width=3)
DIGESTS = ["0a" * 32, "1b" * 32, "2c" * 32]


@pytest.fixture
def keyed(tmp_path: Path) -> KeyedStore:
    return create_store(tmp_path / "store", feature_key(SPEC, STREAM), shape=SHAPE)


@pytest.fixture
def arrays() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal((steps, 3)).astype(np.float16) for steps in (4, 0, 7)]


def _only_shard(keyed: KeyedStore) -> Path:
    (path,) = (keyed.folder / "shards").iterdir()
    return path


def test_entries_are_read_back_bit_by_bit(keyed: KeyedStore, arrays: list[np.ndarray]) -> None:
    assert keyed.locations() == {}
    assert keyed.write_shard(DIGESTS, arrays)
    places = keyed.locations()
    assert list(places) == DIGESTS
    for digest, array in zip(DIGESTS, arrays, strict=True):
        assert np.array_equal(keyed.read(places[digest]), array)
    assert keyed.verify() == 1


def test_layers_are_read_back_too(tmp_path: Path) -> None:
    keyed = create_store(tmp_path, feature_key(SPEC, STREAM), shape=StreamShape(layers=2, width=3))
    array = np.arange(24, dtype=np.float16).reshape(4, 2, 3)
    keyed.write_shard(DIGESTS[:1], [array])
    place = keyed.locations()[DIGESTS[0]]
    assert np.array_equal(keyed.read(place), array)


def test_the_same_entries_are_the_same_file(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    files = []
    for name in ("one", "two"):
        keyed = create_store(tmp_path / name, feature_key(SPEC, STREAM), shape=SHAPE)
        keyed.write_shard(DIGESTS, arrays)
        files.append(_only_shard(keyed))
    assert files[0].name == files[1].name
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_metadata_has_what_the_key_hashes(keyed: KeyedStore) -> None:
    meta = json.loads((keyed.folder / "meta.json").read_text())
    assert meta["encoder"] == SPEC.model_dump(exclude={"folder"})
    assert (meta["layers"], meta["width"], meta["dtype"], meta["clip_s"]) == (None, 3, "float16", None)
    assert open_store(keyed.folder.parent, feature_key(SPEC, STREAM)) == keyed


def test_a_store_without_the_stream_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(
        FeatureError, match=r"no features of encoder lite-speech for whole recordings .*merflow features extract"
    ):
        open_store(tmp_path, feature_key(SPEC, STREAM))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"layers": null, "width": 3}'])
def test_a_corrupt_meta_is_named(keyed: KeyedStore, content: str) -> None:
    path = keyed.folder / "meta.json"
    path.write_text(content)
    with pytest.raises(FeatureError) as caught:
        open_store(keyed.folder.parent, feature_key(SPEC, STREAM))
    assert str(path) in str(caught.value)
    assert "delete it and run `merflow features extract` again" in str(caught.value)


@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_a_truncated_shard_is_named(keyed: KeyedStore, arrays: list[np.ndarray], left: int) -> None:
    keyed.write_shard(DIGESTS, arrays)
    path = _only_shard(keyed)
    name = path.stem
    path.write_bytes(path.read_bytes()[:left])
    for read in (keyed.locations, keyed.verify, lambda: keyed.open_shard(name)):
        with pytest.raises(FeatureError) as caught:
            read()
        assert str(path) in str(caught.value)
        assert "delete it and run" in str(caught.value)


def test_a_flipped_bit_is_found_by_verify(keyed: KeyedStore, arrays: list[np.ndarray]) -> None:
    keyed.write_shard(DIGESTS, arrays)
    path = _only_shard(keyed)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeatureError, match="does not match its checksum"):
        keyed.verify()


def test_a_shard_of_another_shape_is_refused(tmp_path: Path, keyed: KeyedStore, arrays: list[np.ndarray]) -> None:
    keyed.write_shard(DIGESTS, arrays)
    other = KeyedStore(keyed.folder, StreamShape(layers=None, width=4))
    with pytest.raises(
        FeatureError, match=r"is corrupt \(its values have shape \[11, 3\], expected steps of shape \[4\]\)"
    ):
        other.locations()
    with pytest.raises(FeatureError, match="expected"):
        other.open_shard(_only_shard(keyed).stem)
    with pytest.raises(FeatureError, match="is missing from the store"):
        keyed.open_shard("absent")
    assert tmp_path.exists()


def test_leftovers_of_a_killed_run_are_not_shards(keyed: KeyedStore, arrays: list[np.ndarray]) -> None:
    keyed.write_shard(DIGESTS, arrays)
    path = _only_shard(keyed)
    (path.parent / f".{path.name}.abc.part").write_bytes(path.read_bytes()[:50])
    (path.parent / ".tmpAbC123").write_bytes(b"")
    assert list(keyed.locations()) == DIGESTS
    assert keyed.verify() == 1


def test_the_index_is_read_back_and_a_corrupt_one_is_named(keyed: KeyedStore) -> None:
    rows = pd.DataFrame(
        {"utterance_id": ["a", "b"], "digest": ["0a", None], "shard": ["s", None], "offset": [3, 0], "steps": [4, 0]}
    )
    keyed.write_index("hash", rows)
    read = keyed.read_index("hash")
    assert read["utterance_id"].tolist() == ["a", "b"]
    assert read["digest"].isna().tolist() == [False, True]
    assert (read["offset"].tolist(), read["steps"].tolist()) == ([3, 0], [4, 0])
    with pytest.raises(FeatureError, match=r"no index of manifest other; run `merflow features extract` first"):
        keyed.read_index("other")
    path = keyed.folder / "index-hash.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FeatureError, match=r"index-hash.parquet is corrupt .*delete it and run"):
        keyed.read_index("hash")


def test_a_path_that_cannot_be_a_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write .*store"):
        create_store(tmp_path / "store", feature_key(SPEC, STREAM), shape=SHAPE)

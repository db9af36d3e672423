import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merflow.cli.app import app
from merflow.contracts.presets import Profile
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.errors import FeatureError
from merflow.features.encoders.keys import feature_key, why_unreadable
from merflow.features.extraction.stored_streams import extract_streams
from merflow.features.store import housekeeping
from merflow.features.store.claims import Claims
from merflow.features.store.housekeeping import Unused
from merflow.features.store.keyed import open_store
from merflow.jobs.store import summaries
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus

STREAMS = (SPEECH, FRAMES, TEXT)


@pytest.fixture
def manifest(make_corpus: MakeCorpus) -> Manifest:
    return make_corpus()


@pytest.fixture
def store(manifest: Manifest, profile: Profile, tmp_path: Path) -> Path:
    extract_streams(manifest, streams=STREAMS, profile=profile, store=tmp_path / "store", shard_utterances=5)
    return tmp_path / "store"


def _flip(path: Path) -> None:
    """Flip one bit of the last byte, which belongs to the values."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def unused(store: Path, manifests: list[str]) -> list[Unused]:
    return housekeeping.unused(store, manifests, why_unreadable=why_unreadable)


def _key(profile: Profile) -> str:
    return feature_key(profile["speech"], FRAMES).digest


def test_keys_are_listed_with_what_they_hold(store: Path, manifest: Manifest, profile: Profile) -> None:
    found = {summary.key: summary for summary in summaries(store)}
    assert len(found) == 3
    frames = found[_key(profile)]
    index = open_store(store, feature_key(profile["speech"], FRAMES)).read_index(manifest.hash)
    assert (frames.encoder, frames.modality, frames.clip_s, frames.pooled) == ("lite-speech", "audio", None, False)
    assert (frames.layers, frames.width, frames.entries, frames.shards) == (None, 400, 14, 3)
    assert frames.steps == index["steps"].sum()
    assert frames.steps * 400 * 2 < frames.size_bytes < frames.steps * 400 * 2 + 20_000
    assert frames.manifests == (manifest.hash,)
    layered = found[feature_key(profile["text_layers"], TEXT).digest]
    assert (layered.layers, layered.pooled, layered.entries, layered.steps) == (2, True, 12, 12)


def test_ls_on_the_command_line(store: Path, profile: Profile) -> None:
    shown = CliRunner().invoke(app, ["features", "ls", str(store)])
    assert shown.exit_code == 0
    assert "lite-speech-layers" in shown.stdout
    assert "2 x 200" in shown.stdout
    rows = json.loads(CliRunner().invoke(app, ["features", "ls", str(store), "--json"]).stdout)
    assert {row["key"] for row in rows} == {path.name for path in store.iterdir()}
    assert _key(profile) in {row["key"] for row in rows}


def test_verify_names_every_bad_shard(store: Path) -> None:
    runner = CliRunner()
    whole = runner.invoke(app, ["features", "verify", str(store)])
    assert (whole.exit_code, whole.stdout) == (0, "9 shard(s), all intact\n")
    flipped, cut_off = sorted(store.rglob("*.safetensors"))[::5]
    _flip(flipped)
    cut_off.write_bytes(cut_off.read_bytes()[:-10])
    bad = runner.invoke(app, ["features", "verify", str(store)])
    assert bad.exit_code == 2
    assert f"shard {flipped} does not match its checksum" in bad.stderr
    assert f"shard {cut_off} is corrupt" in bad.stderr
    assert "delete it and run `merflow features extract` again" in bad.stderr
    told = json.loads(runner.invoke(app, ["features", "verify", str(store), "--json"]).stdout)
    assert told["shards"] == 9
    assert set(told["bad"]) == {str(flipped), str(cut_off)}


def test_a_flipped_bit_is_mended_by_deleting_and_extracting(store: Path, manifest: Manifest, profile: Profile) -> None:
    path = sorted(store.rglob("*.safetensors"))[3]
    before = path.read_bytes()
    _flip(path)
    assert path.read_bytes() != before
    path.unlink()
    extract_streams(manifest, streams=STREAMS, profile=profile, store=store, shard_utterances=5)
    assert path.read_bytes() == before


def test_gc_keeps_what_the_given_manifests_need(
    store: Path, manifest: Manifest, profile: Profile, make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    other = make_corpus("other", first_seed=100)
    extract_streams(other, streams=(FRAMES,), profile=profile, store=store, shard_utterances=5)
    assert len(list((store / _key(profile) / "shards").iterdir())) == 6
    path, other_path = tmp_path / "manifest.parquet", tmp_path / "other.parquet"
    write_manifest(manifest, path)
    write_manifest(other, other_path)
    runner, both = CliRunner(), ["--manifest", str(path), "--manifest", str(other_path)]
    assert runner.invoke(app, ["features", "gc", str(store), *both]).stdout == "nothing is unused\n"

    listed = json.loads(
        runner.invoke(app, ["features", "gc", str(store), "--manifest", str(other_path), "--json"]).stdout
    )
    assert listed["deleted"] is False
    reasons = [(Path(one["path"]).parent.name, one["reason"].partition(" ")[0]) for one in listed["unused"]]
    assert sorted(reasons) == sorted([("store", "no")] * 2 + [(_key(profile), "index")] + [("shards", "shard")] * 3)
    assert listed["size_bytes"] == sum(one["size_bytes"] for one in listed["unused"])
    assert len(list(store.iterdir())) == 3

    done = runner.invoke(app, ["features", "gc", str(store), "--manifest", str(other_path), "--yes"])
    assert done.exit_code == 0
    assert done.stdout.endswith(" deleted\n")
    assert [folder.name for folder in store.iterdir()] == [_key(profile)]
    (stored,) = extract_streams(other, streams=(FRAMES,), profile=profile, store=store, shard_utterances=5)
    assert (stored.entries, stored.effort.encoded) == (14, 0)


def test_gc_finds_what_dead_processes_left(store: Path, manifest: Manifest, profile: Profile) -> None:
    folder = store / _key(profile)
    (folder / "plan-0011.json").write_text("[]")
    (folder / "claims" / "aa.1").write_text("{}")
    os.utime(folder / "claims" / "aa.1", (0, 0))
    for name, age in (("old", 7200), ("new", 0)):
        part = folder / "shards" / f".{name}.safetensors.x.part"
        part.write_text("x")
        os.utime(part, (part.stat().st_mtime - age,) * 2)
    found = {one.path.name: one.reason for one in unused(store, [manifest.hash])}
    assert found == {
        "plan-0011.json": "left behind by an extraction that died",
        "aa.1": "left behind by an extraction that died",
        ".old.safetensors.x.part": "half-written file",
    }


def test_gc_leaves_keys_alone_that_are_being_filled(store: Path, profile: Profile) -> None:
    with Claims(store / _key(profile) / "claims") as claims:
        assert claims.acquire("0011")
        assert _key(profile) not in {one.path.name for one in unused(store, [])}
    assert _key(profile) in {one.path.name for one in unused(store, [])}


def test_gc_finds_keys_of_other_versions(store: Path, manifest: Manifest, profile: Profile) -> None:
    meta = store / _key(profile) / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"extraction_version": 0}))
    (found,) = unused(store, [manifest.hash])
    assert found.path == meta.parent
    assert found.reason.startswith("made by another version")


@pytest.mark.parametrize("make", ["nothing", "empty", "corrupt"])
def test_what_is_not_a_store_is_named(store: Path, make: str) -> None:
    shutil.rmtree(store)
    if make != "nothing":
        store.mkdir()
    if make == "corrupt":
        (store / "key").mkdir()
        (store / "key" / "meta.json").write_text("{")
    words = {"nothing": "no such store", "empty": "is not a store", "corrupt": "meta.json is corrupt"}[make]
    with pytest.raises(FeatureError, match=words):
        summaries(store)

"""Folders that cannot be written, and a store that lost a part: an error, and no half-written files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import merflow, refused

VARIANT = "context-mmt:wavlm-fc-frozen"
FILE_IN_THE_WAY = "is a file, not a folder; remove what is in the way, or choose another folder"
MOUNTS = shutil.which("unshare") is not None and not subprocess.run(["unshare", "-rm", "true"]).returncode


@pytest.fixture(scope="module")
def manifest(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indexed") / "manifest.parquet"
    assert merflow("data", "index", "--corpus", "synthetic", "--root", tiny_release, "--out", path).code == 0
    return path


def hidden_and_other_files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))  # noqa: PTH208 - hidden files count


def test_a_file_in_place_of_a_folder_is_reported(manifest: Path, tiny_release: Path, tmp_path: Path) -> None:
    pytest.importorskip("great_expectations")
    pytest.importorskip("kfp")
    file = tmp_path / "file"
    file.write_text("mine")
    source = ("--corpus", "iemocap", "--root", tiny_release)
    run = (*source, "--models", VARIANT, "--out", file)
    for command, place in (
        (("data", "index", *source, "--out", file / "m.parquet"), file / "m.parquet"),
        (("data", "validate", manifest, "--out", file), file / "docs"),
        (("data", "split", manifest, "--out", file / "s.parquet"), file / "s.parquet"),
        (("benchmark", *run), file / "invocation.json"),
        (("benchmark", "--size", "tiny", "--models", VARIANT, "--out", file), file / "invocation.json"),
        (("pipeline", "run", "benchmark", *run), file),
        (("pipeline", "compile", "benchmark", "--set", "tracking.uri=none", "--out", file), file),
    ):
        assert refused(*command).endswith(f"error: cannot write {place}: {file} {FILE_IN_THE_WAY}\n")
    said = refused("data", "synthesize", "--size", "tiny", "--out", file)
    assert said == f"error: {file} is a file; choose a folder with --out\n"
    said = refused("data", "index", *source, "--out", tmp_path)
    assert said.startswith(f"error: cannot write {tmp_path}: Is a directory; remove what is in the way, or choose")
    assert file.read_text() == "mine"
    assert hidden_and_other_files(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that nobody can write")
def test_a_folder_that_nobody_can_write_is_reported(tiny_release: Path) -> None:
    said = refused("data", "index", "--corpus", "iemocap", "--root", tiny_release, "--out", "/sys/kernel/new/m.parquet")
    assert said.startswith("error: cannot write /sys/kernel/new/m.parquet: ")
    assert said.endswith("; make the folder writable, or choose another folder\n")


@pytest.mark.skipif(not MOUNTS, reason="needs unshare to mount a small and a read-only disk")
def test_a_full_disk_and_a_read_only_disk_are_reported(manifest: Path, tiny_release: Path, tmp_path: Path) -> None:
    small, fixed = tmp_path / "small", tmp_path / "fixed"
    small.mkdir()
    fixed.mkdir()
    command = f"{sys.executable} -m merflow"
    index = f"{command} data index --corpus iemocap --root {tiny_release} --out"
    script = f"""
        mount -t tmpfs -o size=100k tmpfs {small} && mount --bind {fixed} {fixed} && mount -o remount,ro,bind {fixed}
        {command} features extract {manifest} --models {VARIANT} --store {small}/store --out {small}/f.json; echo $?
        find {small} -type f -not -name meta.json -not -name 'plan-*.json'
        for plan in {small}/store/*/plan-*.json; do {sys.executable} -m json.tool $plan > {fixed}.txt || echo torn; done
        head -c 200k /dev/zero > {small}/filled
        {index} {small}/m.parquet; echo $?
        {index} {fixed}/m.parquet; echo $?
        ls -A {small}
    """
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith("error")]
    store, full, fixed_said = said
    assert "Traceback" not in done.stderr
    assert store.startswith(f"error: cannot write {small}/store/")
    assert store.endswith(".safetensors: No space left on device; free space, or choose another folder")
    elsewhere = "or choose another folder"
    assert full == f"error: cannot write {small}/m.parquet: No space left on device; free space, {elsewhere}"
    assert fixed_said == (
        f"error: cannot write {fixed}/m.parquet: Read-only file system; make the folder writable, {elsewhere}"
    )
    assert done.stdout.split() == ["2", "2", "2", "filled", "store"]


def test_a_truncated_shard_is_named_and_extracted_again_once_deleted(manifest: Path, tmp_path: Path) -> None:
    command = ("features", "extract", manifest, "--models", VARIANT, "--store", tmp_path / "store")
    assert merflow(*command, "--out", tmp_path / "f.json").code == 0
    (shard,) = tmp_path.glob("store/*/shards/*.safetensors")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1000])

    said = refused(*command, "--out", tmp_path / "g.json")
    assert f"error: shard {shard} is corrupt (" in said
    assert said.endswith("; delete it and run `merflow features extract` again\n")
    assert not (tmp_path / "g.json").exists()
    splits = tmp_path / "s.parquet"
    assert merflow("data", "split", manifest, "--out", splits).code == 0
    fold = ("--manifest", manifest, "--splits", splits, "--out", tmp_path / "fold", "--features")
    assert f"error: shard {shard} is corrupt (" in refused("train", f"{VARIANT}:1", *fold, tmp_path / "f.json")

    shard.unlink()
    assert merflow(*command, "--out", tmp_path / "f.json").code == 0
    assert shard.read_bytes() == whole


def test_missing_or_wrong_inputs_of_a_fold_are_named(manifest: Path, tmp_path: Path) -> None:
    splits = tmp_path / "s.parquet"
    assert merflow("data", "split", manifest, "--out", splits).code == 0
    options = {"--manifest": manifest, "--splits": splits, "--features": manifest, "--out": tmp_path / "fold"}

    def said(item: str, **changes: Path) -> str:
        chosen = options | {f"--{name}": path for name, path in changes.items()}
        return refused("train", item, *(word for pair in chosen.items() for word in pair))

    gone = tmp_path / "gone"
    item = f"{VARIANT}:1"
    assert said(item, splits=gone) == f"error: no such file: {gone}; pass splits that `merflow data split` wrote\n"
    assert said(item, features=gone).startswith(f"error: no such file: {gone}; extract the features first")
    assert said(item).startswith(f"error: {manifest} is not JSON (")
    assert "pass a file that `merflow features extract` wrote" in said(item)
    assert said(f"{VARIANT}:9") == f"error: {splits} have no fold 9; they have [1, 2, 3, 4, 5]\n"
    assert said(VARIANT).startswith(f"error: '{VARIANT}' names no fold; write model:preset:fold, for example ")
    swapped = said(item, manifest=splits, splits=manifest)
    assert swapped == f"error: {splits} is not a manifest: it looks like splits; are --manifest and --splits swapped?\n"
    both = said(item, splits=manifest)
    assert (
        both
        == f"error: {manifest} contains no splits: it looks like a manifest; are --manifest and --splits swapped?\n"
    )
    said_of_none = refused("evaluate", tmp_path, "--manifest", manifest, "--splits", splits, "--out", tmp_path / "e")
    assert (
        said_of_none == f"error: {tmp_path} is not a trained fold: model/fold_record.json is missing; train it again\n"
    )

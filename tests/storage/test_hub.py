import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import huggingface_hub
import huggingface_hub.constants
import huggingface_hub.errors
import pytest

from merflow.errors import PretrainedError
from merflow.storage.hub import Advice, ModelFiles, files_digest, from_hub, is_commit, json_object

FILES = ModelFiles(
    needed=(("config.json",), ("tokenizer.json", "vocab.json"), ("tokenizer.json", "merges.txt")),
    weights=("model.safetensors", "model.safetensors.index.json"),
)
ADVICE = Advice(correct="the profile", point="set the folder to DIR")
COMMIT = "c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c"
NAME = "someone/model"


def folder(path: Path, *names: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_text("{}")
    return path


def sharded(path: Path, *shards: str) -> Path:
    folder(path, "config.json", "tokenizer.json")
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(enumerate(shards))}))
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of one repository in an empty cache; the network is unreachable."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub" / "models--someone--model"


def branch(hub: Path, commit: str) -> None:
    (hub / "refs").mkdir(parents=True, exist_ok=True)
    (hub / "refs" / "main").write_text(commit)


@pytest.mark.parametrize(
    ("names", "lacking"),
    [
        (("config.json", "tokenizer.json", "model.safetensors"), []),
        (("config.json", "vocab.json", "merges.txt", "model.safetensors"), []),
        (("config.json", "vocab.json", "model.safetensors"), [("tokenizer.json", "merges.txt")]),
        (("tokenizer.json", "model.safetensors"), [("config.json",)]),
        (("config.json", "tokenizer.json"), [FILES.weights]),
    ],
)
def test_what_a_folder_lacks(tmp_path: Path, names: tuple[str, ...], lacking: list[tuple[str, ...]]) -> None:
    assert FILES.lacking(folder(tmp_path / "model", *names)) == lacking


def test_weights_in_several_files_need_each_of_them(tmp_path: Path) -> None:
    path = folder(sharded(tmp_path / "model", "model-1.safetensors", "model-2.safetensors"), "model-1.safetensors")
    assert FILES.lacking(path) == [("model-2.safetensors",)]
    (path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(PretrainedError, match=r"index\.json has no weight_map; download the model again"):
        FILES.lacking(path)


def test_only_what_is_read_is_downloaded() -> None:
    assert FILES.to_download(["config.json", "model.safetensors", "pytorch_model.bin"])[2:] == ["model.safetensors"]
    assert FILES.to_download(["model.safetensors.index.json", "model-1.safetensors"])[2:] == [
        "model.safetensors.index.json",
        "model-*.safetensors",
    ]


def test_a_complete_commit_is_never_asked_of_the_network(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Mock(side_effect=AssertionError)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", ask)
    place = folder(hub / "snapshots" / COMMIT, "config.json", "tokenizer.json", "model.safetensors")
    assert from_hub(NAME, revision=COMMIT, files=FILES, advice=ADVICE) == place
    assert ask.call_count == 0


def test_a_branch_is_what_it_was_where_the_network_does_not_answer(hub: Path) -> None:
    place = folder(hub / "snapshots" / COMMIT, "config.json", "tokenizer.json", "model.safetensors")
    branch(hub, COMMIT)
    assert from_hub(NAME, revision="main", files=FILES, advice=ADVICE) == place
    (place / "config.json").unlink()
    with pytest.raises(PretrainedError, match="at revision main is not on this machine"):
        from_hub(NAME, revision="main", files=FILES, advice=ADVICE)


def test_a_branch_is_asked_of_the_hub_and_read_at_its_commit(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = folder(hub / "snapshots" / ("0" * 40), "config.json", "tokenizer.json", "model.safetensors")
    branch(hub, old.name)
    new = folder(hub / "snapshots" / COMMIT, "config.json", "tokenizer.json", "model.safetensors")
    info = SimpleNamespace(sha=COMMIT, siblings=[SimpleNamespace(rfilename=path.name) for path in new.iterdir()])
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", Mock(return_value=info))
    assert from_hub(NAME, revision="main", files=FILES, advice=ADVICE) == new


@pytest.mark.usefixtures("hub")
def test_without_network_the_message_says_what_to_download_and_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = huggingface_hub.errors.HfHubHTTPError.__mro__[1]("connection refused")  # the client's own
    for error in (None, broken):
        if error is not None:
            monkeypatch.setattr(huggingface_hub.HfApi, "model_info", Mock(side_effect=error))
        with pytest.raises(PretrainedError) as caught:
            from_hub(NAME, revision=COMMIT, files=FILES, advice=ADVICE)
        said = str(caught.value)
        assert f"hf download someone/model --revision {COMMIT} --local-dir DIR/model" in said
        assert said.endswith("copy the folder here and set the folder to DIR")
    assert "(connection refused)" in said


@pytest.mark.usefixtures("hub")
def test_a_model_that_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = huggingface_hub.errors.RepositoryNotFoundError("404\nRepository Not Found", response=Mock())
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", Mock(side_effect=answer))
    with pytest.raises(PretrainedError, match=r"the hub has no someone/model at .*; correct the profile"):
        from_hub(NAME, revision=COMMIT, files=FILES, advice=ADVICE)
    with pytest.raises(PretrainedError, match="'a/b/c' is not a hub id"):
        from_hub("a/b/c", revision=COMMIT, files=FILES, advice=ADVICE)


def test_faults_that_are_neither_the_hubs_nor_the_networks_come_through(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", Mock(side_effect=ZeroDivisionError))
    with pytest.raises(ZeroDivisionError):
        from_hub(NAME, revision=COMMIT, files=FILES, advice=ADVICE)
    assert not hub.exists()


def test_a_digest_is_of_names_and_content_not_of_the_place(tmp_path: Path) -> None:
    here, there = (folder(tmp_path / name, "a.json", "b.json") for name in ("here", "there"))
    names = ["b.json", "a.json"]
    assert files_digest(here, names) == files_digest(there, sorted(names)) != files_digest(here, names[:1])
    (there / "a.json").write_text("{ }")
    assert files_digest(here, names) != files_digest(there, names)


def test_invalid_json_and_revisions_that_move(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(PretrainedError, match="holds a list, expected an object"):
        json_object(tmp_path / "x.json")
    with pytest.raises(PretrainedError, match="is not readable JSON"):
        json_object(tmp_path / "none.json")
    assert is_commit(COMMIT)
    assert not any(map(is_commit, ("main", COMMIT[:7], f"files-{COMMIT[:16]}")))

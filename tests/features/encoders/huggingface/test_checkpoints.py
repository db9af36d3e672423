"""Checkpoints of encoders: their location, their key, and folders that are refused."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from safetensors.torch import load_file, save_file

from merflow.contracts.presets import EncoderSpec, spec_of
from merflow.contracts.streams import PRETRAINED_ENCODERS, Stream
from merflow.errors import FeatureError, PretrainedError
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.huggingface.checkpoints import check_local, fingerprint, locate, located
from merflow.features.encoders.keys import feature_key
from merflow.presets.profiles import shipped_profile

COMMIT = "c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c"
SPEECH = Stream("speech")


def spec(model: str | Path, *, name: str = "wavlm", revision: str | None = None, **settings: Any) -> EncoderSpec:  # noqa: ANN401
    values = {"model": str(model), "layers": "last", "dtype": "float32"} | settings
    return EncoderSpec(name=name, revision=revision, settings=values)


@pytest.fixture
def wavlm(encoders: Path, tmp_path: Path) -> Path:
    """Copy a miniature, so that a test may damage it."""
    return Path(shutil.copytree(encoders / "wavlm-large", tmp_path / "wavlm-large"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide an empty cache of the hub and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_folder_counts_by_its_files_not_by_its_place(wavlm: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(wavlm, tmp_path / "elsewhere" / "wavlm-large"))
    here, there = locate(spec(wavlm)), locate(spec(elsewhere))
    assert here.folder == str(wavlm)
    assert here.digest == there.digest == fingerprint(wavlm)
    assert feature_key(here, SPEECH).digest == feature_key(there, SPEECH).digest
    (elsewhere / "README.md").write_text("notes")
    assert locate(spec(elsewhere)).revision == here.revision
    weights = load_file(elsewhere / "model.safetensors")
    weights["encoder.layer_norm.bias"] += 1
    save_file(weights, elsewhere / "model.safetensors")
    assert feature_key(locate(spec(elsewhere)), SPEECH).digest != feature_key(here, SPEECH).digest


def test_the_same_weights_have_one_key_whatever_they_are_called(encoders: Path, tmp_path: Path) -> None:
    renamed = Path(shutil.copytree(encoders / "wavlm-large", tmp_path / "mine"))
    (renamed / "notes.json").write_text("{}")
    found = [
        locate(spec(renamed)),
        locate(spec("${encoders}/wavlm-large"), encoders_folder=str(encoders)),
        locate(spec("microsoft/wavlm-large", revision=COMMIT), encoders_folder=str(encoders)),
    ]
    assert len({feature_key(each, stream).digest for each in found for stream in (SPEECH, Stream("context"))}) == 1
    assert found[0].citation == f"mine (files {found[0].digest[:8]}), last layer"  # type: ignore[index]


def test_a_download_of_the_hub_is_known_by_its_notes_and_checksums(wavlm: Path) -> None:
    notes = wavlm / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    for path in (path for path in wavlm.iterdir() if path.is_file()):
        content = path.read_bytes()
        large = hashlib.sha256(content).hexdigest()
        small = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        checksum = large if path.suffix == ".safetensors" else small
        (notes / f"{path.name}.metadata").write_text(f"{COMMIT}\n{checksum}\n1700000000.0\n")
    named = spec("microsoft/wavlm-large", revision=COMMIT)
    found = locate(named, encoders_folder=str(wavlm.parent))
    assert (found.revision, found.settings["model"]) == (COMMIT, "microsoft/wavlm-large")
    assert found.same_weights(shipped_profile("paper").roles["speech"])
    assert found.citation == f"microsoft/wavlm-large@{COMMIT[:7]}, last layer"
    (wavlm / "config.json").write_text((wavlm / "config.json").read_text() + " ")
    changed = locate(named, encoders_folder=str(wavlm.parent))
    assert changed.revision is None
    assert not changed.same_weights(shipped_profile("paper").roles["speech"])


def test_a_folder_of_encoders_that_is_missing_or_lacks_one_is_named_at_once(encoders: Path, tmp_path: Path) -> None:
    paper, streams = shipped_profile("paper").roles, [SPEECH, Stream("text_layers")]
    check_local(paper, streams=streams, encoders_folder=str(encoders))
    check_local(paper, streams=streams, encoders_folder="")
    with pytest.raises(FeatureError) as caught:
        check_local(paper, streams=streams, encoders_folder=str(tmp_path / "nowhere"))
    said = str(caught.value).splitlines()
    assert [("wavlm-large" in said[0]), ("bert-base-uncased" in said[1])] == [True, True]
    assert "hf download microsoft/wavlm-large --local-dir" in said[0]
    with pytest.raises(FeatureError, match=r"set features\.encoders_folder to the folder that holds mine"):
        locate(spec("mine").model_copy(update={"digest": "0" * 16}))


def test_a_located_encoder_stays_as_it_is(wavlm: Path) -> None:
    once = locate(spec(wavlm))
    assert locate(once) == once
    lite = shipped_profile("lite").roles["speech"]
    assert locate(lite) == lite


def test_an_encoder_that_was_not_looked_up_has_no_key(wavlm: Path) -> None:
    with pytest.raises(FeatureError, match="has no digest; locate it first"):
        feature_key(spec(wavlm), SPEECH)


@pytest.mark.usefixtures("hub")
def test_the_folder_of_encoders_goes_before_the_hub(encoders: Path) -> None:
    found = locate(spec("microsoft/wavlm-large", revision=COMMIT), encoders_folder=str(encoders))
    assert found.folder == str(encoders / "wavlm-large")
    assert found.revision is None
    named = locate(spec("${encoders}/wavlm-large"), encoders_folder=str(encoders))
    assert named.folder == found.folder
    assert found.settings["model"] == named.settings["model"] == "wavlm-large"  # nothing proves that it is the hub's


def test_a_hub_id_is_read_from_the_cache_at_its_commit(encoders: Path, hub: Path) -> None:
    repository = hub / "models--microsoft--wavlm-large"
    shutil.copytree(encoders / "wavlm-large", repository / "snapshots" / COMMIT)
    pinned = locate(spec("microsoft/wavlm-large", revision=COMMIT))
    assert pinned.folder == str(repository / "snapshots" / COMMIT)
    assert pinned.revision == COMMIT
    assert feature_key(pinned, SPEECH).digest == feature_key(locate(spec(encoders / "wavlm-large")), SPEECH).digest
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    moving = locate(spec("microsoft/wavlm-large", revision="main", allow_unpinned=True))
    assert moving == pinned  # what the branch stood for is what is recorded
    assert build_encoder(pinned, SPEECH, device="cpu").shape.width == 32


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("revision", [None, "main", "c1423ed", "files-0123456789abcdef"])
def test_a_hub_id_without_a_commit_is_refused(revision: str | None) -> None:
    with pytest.raises(FeatureError, match=r"expected a commit of 40 hexadecimal digits; .*allow_unpinned: true"):
        locate(spec("microsoft/wavlm-large", revision=revision))


@pytest.mark.usefixtures("hub")
def test_without_network_the_message_says_what_to_download_and_where_to_put_it() -> None:
    with pytest.raises(PretrainedError) as caught:
        locate(spec("microsoft/wavlm-large", revision=COMMIT))
    said = str(caught.value)
    assert f"hf download microsoft/wavlm-large --revision {COMMIT} --local-dir DIR/wavlm-large" in said
    assert "set features.encoders_folder=DIR" in said


@pytest.mark.usefixtures("hub")
def test_a_malformed_id_is_named() -> None:
    with pytest.raises(PretrainedError, match="'a/b/c' is not a hub id"):
        locate(spec("a/b/c", revision=COMMIT))


def test_a_folder_has_no_revision(wavlm: Path) -> None:
    with pytest.raises(FeatureError, match=f"has no revision '{COMMIT}'; remove the revision"):
        locate(spec(wavlm, revision=COMMIT))


def test_a_missing_folder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"no such folder: .*hf download ID .*merflow features tiny"):
        locate(spec(tmp_path / "nowhere"))
    with pytest.raises(FeatureError, match=r"features\.encoders_folder is empty; make miniature encoders"):
        locate(shipped_profile("tiny").roles["speech"])


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("config.json", "lacks config.json;"),
        ("model.safetensors", "lacks model.safetensors or model.safetensors.index.json or pytorch_model.bin"),
        ("preprocessor_config.json", "lacks preprocessor_config.json;"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused(wavlm: Path, lost: str, said: str) -> None:
    (wavlm / lost).unlink()
    with pytest.raises(FeatureError, match=said):
        locate(spec(wavlm))


def test_a_text_encoder_without_tokenizer_is_refused(encoders: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoders / "roberta-base", tmp_path / "roberta"))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FeatureError, match=r"lacks tokenizer\.json or vocab\.json"):
        locate(spec(folder, name="roberta"))


def test_another_architecture_is_refused(encoders: Path) -> None:
    with pytest.raises(FeatureError, match=r"needs a model of type wavlm, .*bert-base-uncased has 'bert'"):
        locate(spec(encoders / "bert-base-uncased"))
    with pytest.raises(FeatureError, match=r"encoder 'roberta' needs a model of type roberta, .* has 'bert'"):
        locate(spec(encoders / "bert-base-uncased", name="roberta"))


def test_weights_that_do_not_fill_the_model_are_refused(wavlm: Path) -> None:
    weights = load_file(wavlm / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layers.2." not in name}
    save_file(kept, wavlm / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FeatureError, match=r"lacks \d+ weight\(s\) of WavLMModel, the first is encoder.layers.2"):
        build_encoder(spec(wavlm), SPEECH, device="cpu")


def test_weights_of_another_width_are_refused(wavlm: Path) -> None:
    config = json.loads((wavlm / "config.json").read_text())
    (wavlm / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(FeatureError, match="wavlm-large"):
        build_encoder(spec(wavlm), SPEECH, device="cpu")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_garbled_file_is_named(wavlm: Path, name: str) -> None:
    (wavlm / name).write_bytes((wavlm / name).read_bytes()[:50])
    with pytest.raises(FeatureError, match=r"wavlm-large.* cannot be read .*download the folder again"):
        build_encoder(spec(wavlm), SPEECH, device="cpu")


def test_a_missing_gpu_is_named(wavlm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(FeatureError, match=r"features\.device is cuda, but torch sees no GPU; choose auto or cpu"):
        build_encoder(spec(wavlm), SPEECH, device="cuda")


def test_a_stream_gets_the_encoder_it_names_or_the_profiles_own(encoders: Path) -> None:
    paper, lite = shipped_profile("paper").roles, shipped_profile("lite").roles
    assert spec_of(SPEECH, paper).settings["model"] == "microsoft/wavlm-large"
    base = Stream("speech", encoder="wavlm-base")
    assert spec_of(base, paper).settings["model"] == "microsoft/wavlm-base"
    assert spec_of(base, lite) == lite["speech"]
    slots = "speech/wavlm-large, speech/wavlm-large-raw, speech/wavlm-base"
    with pytest.raises(FeatureError, match=f"no encoder 'speech/bert-base'; it has {slots}"):
        spec_of(Stream("speech", encoder="bert-base"), paper)
    found = located(paper, streams=[SPEECH, base], encoders_folder=str(encoders))
    assert {slot: Path(str(each.folder)).name for slot, each in found.items()} == {
        "speech": "wavlm-large",
        "speech/wavlm-base": "wavlm-base",
    }


def test_paper_and_tiny_hold_the_same_encoders_and_paper_is_pinned() -> None:
    paper, tiny = shipped_profile("paper").roles, shipped_profile("tiny").roles
    assert list(paper) == list(tiny)
    assert {slot.partition("/")[2] for slot in paper} == {"", *PRETRAINED_ENCODERS}
    for slot, one in paper.items():
        assert one.name == tiny[slot].name
        assert one.revision is not None
        assert len(one.revision) == 40
        assert str(one.settings["model"]).rpartition("/")[2] == str(tiny[slot].settings["model"]).rpartition("/")[2]


def test_the_document_names_what_the_profile_reads() -> None:
    text = (Path(__file__).parents[4] / "docs" / "encoders.md").read_text()
    named = {(str(one.settings["model"]), str(one.revision)) for one in shipped_profile("paper").roles.values()}
    assert len(named) == 6
    for model, revision in named:
        assert model in text
        assert f"`{revision}`" in text


def test_neither_the_table_of_encoders_nor_a_profile_imports_transformers_or_torch() -> None:
    program = (
        "import sys; from merflow.features.encoders import builders as _; "
        "from merflow.features.encoders.huggingface import checkpoints; "
        "from merflow.presets.profiles import shipped_profile; shipped_profile('paper'); "
        "print([name for name in ('transformers', 'torch', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

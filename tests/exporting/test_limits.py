"""Presets that can be exported, as the docs list them, and the reasons against the others."""

import importlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from merflow.contracts.presets import EncoderSpec, spec_of
from merflow.contracts.streams import MODALITY_OF, Role, Stream
from merflow.errors import ExportError
from merflow.exporting.limits import check_exportable, reasons_against
from merflow.features.encoders.huggingface.checkpoints import located
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.presets.profiles import shipped_profile
from tests.exporting.untrained import untrained

PAGE = Path(__file__).parents[2] / "docs" / "exporting.md"


def documented() -> dict[str, str]:
    """Return what the page says of every preset: ``yes``, or the reason against it."""
    said: dict[str, str] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].strip("`") in catalogue.models():
            said |= {f"{cells[0].strip('`')}:{name.strip().strip('`')}": cells[2] for name in cells[1].split(",")}
    return said


@pytest.mark.parametrize("profile", ["lite", "tiny"])
def test_the_docs_list_every_preset_with_the_reason_against_it(profile: str, encoders: Path) -> None:
    said, roles = documented(), shipped_profile(profile).roles
    assert said.keys() == catalogue.presets().keys()
    for variant, preset in catalogue.presets().items():
        streams = MODELS[preset.model].configure(preset.config).streams()
        found = located(roles, streams=streams, encoders_folder=str(encoders))
        specs: Mapping[Role, EncoderSpec] = {each.role: spec_of(each, found) for each in streams}
        reads_video = any(MODALITY_OF[each.role] == "video" for each in streams)
        reasons = reasons_against(specs, streams=streams)
        assert reasons == (["it reads video, which neither ONNX Runtime nor NumPy decodes"] if reads_video else [])
        assert said[variant] == ("no: video" if reads_video else "yes")


def test_encoders_whose_inputs_are_made_outside_of_the_graph_are_refused(tmp_path: Path) -> None:
    kinds: Any = importlib.import_module("transformers")
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    kinds.Wav2Vec2BertModel(kinds.Wav2Vec2BertConfig(**small)).save_pretrained(tmp_path)
    kinds.SeamlessM4TFeatureExtractor().save_pretrained(tmp_path)
    spec = EncoderSpec(name="audio", settings={"model": str(tmp_path), "layers": "last"})
    (reason,) = reasons_against({"speech": spec}, streams=[Stream("speech")])
    assert reason.endswith("reads the output of a feature extractor outside the model, not the samples")


def test_other_tokenizers_are_refused(encoders: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    folder = Path(shutil.copytree(encoders / "bert-base-uncased", tmp_path / "pieces"))
    Tokenizer(models.Unigram([("<pad>", 0.0), ("a", -1.0)], unk_id=0)).save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    spec = EncoderSpec(name="text", settings={"model": str(folder), "layers": "last"})
    (reason,) = reasons_against({"text": spec}, streams=[Stream("text")])
    assert "has a tokenizer that is neither BERT's nor RoBERTa's (Unigram, None, None)" in reason


def test_the_error_names_the_model_the_reason_and_the_docs(encoders: Path) -> None:
    said = "foal-net:video-only cannot be exported to ONNX: it reads video, .*. docs/exporting.md lists"
    with pytest.raises(ExportError, match=said):
        check_exportable(
            untrained("foal-net:video-only", profile="lite", encoders=encoders), name="foal-net:video-only"
        )

"""Tests of the explanation of a trained fold."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from merflow.contracts.params import Params
from merflow.corpus.source import CorpusSource
from merflow.errors import EvaluationError, OutputError, PresetError
from merflow.jobs.benchmark import benchmark
from merflow.jobs.explain import explain
from merflow.runs.fold_folder import RECORD, read_predictions
from merflow.storage.local import write_json

VARIANT = "context-mmt:mmt-frozen"
ITEM = "folds/context-mmt/mmt-frozen/fold-1"


@pytest.fixture(scope="module")
def finished(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explained")
    changes = {
        "splits": params.splits.model_copy(update={"protocol": "session5-only"}),
        "training": params.training.model_copy(update={"max_epochs": 1}),
        "tracking": params.tracking.model_copy(update={"uri": "none"}),
    }
    settings = params.model_copy(update=changes)
    benchmark(
        CorpusSource("synthetic", tiny_release), variants=[VARIANT], out=out, params=settings, name="test", command=""
    )
    return out


def explained(finished: Path, out: Path, **options: object) -> Path:
    return explain(
        finished / ITEM,
        manifest=finished / "manifest.parquet",
        splits=finished / "splits.parquet",
        features=finished / "features.json",
        out=out,
        **options,  # type: ignore[arg-type]
    )


def test_maps_weights_and_embeddings(finished: Path, tmp_path: Path) -> None:
    tested = read_predictions(finished / ITEM)["utterance_id"].tolist()
    out = explained(finished, tmp_path / "out", utterances=[tested[0]])
    said = json.loads((out / "explain.json").read_text())
    assert (said["utterances"], said["no_map"], said["invariance"]) == ([tested[0]], "", {})
    assert said["shown"]["fusion.0"] == ["head", "text_layers", "speech_layers"]
    with np.load(out / "utterances" / f"{tested[0]}.npz", allow_pickle=False) as arrays:
        assert list(arrays) == list(said["shown"])
        np.testing.assert_allclose(arrays["fusion.0"].sum(axis=-1), 1, atol=1e-5)
        assert arrays["extractors.audio"].min() > 0
    with np.load(out / "weights" / "extractors.audio.npz", allow_pickle=False) as arrays:
        assert arrays["values"].shape[0] == len(tested) == len(arrays["emotion"])
    with np.load(out / "embedding.npz", allow_pickle=False) as arrays:
        assert arrays["utterance_id"].tolist() == tested
        assert arrays["embedding"].shape[0] == len(tested)
        assert arrays["tsne"].shape == (len(tested), 2)
    pictures = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
    assert pictures == [
        "embedding.png",
        f"utterances/{tested[0]}.png",
        *(f"weights/{name}.png" for name in said["weights"]),
    ]


def test_words_stand_above_a_picture_where_they_are_asked_for(finished: Path, tmp_path: Path) -> None:
    pictures = []
    for number, words in enumerate((False, False, True)):
        out = explained(finished, tmp_path / str(number), examples=1, words=words)
        (picture,) = (out / "utterances").glob("*.png")
        pictures.append(picture.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_examples_are_of_every_emotion(finished: Path, tmp_path: Path) -> None:
    out = explained(finished, tmp_path / "out", examples=3)
    predictions = read_predictions(finished / ITEM).set_index("utterance_id")
    drawn = json.loads((out / "explain.json").read_text())["utterances"]
    assert len(drawn) == 3
    assert predictions.loc[drawn, "label"].nunique() == min(3, predictions["label"].nunique())


def test_an_utterance_of_another_fold_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"'nobody' is not in the test part of fold 1 .*choose one of them"):
        explained(finished, tmp_path / "out", utterances=["nobody"])
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_kept(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"is not an explanation \(explain.json is missing\)"):
        explained(finished, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_embeddings_that_do_not_vary_have_no_map_and_the_rest_is_there(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("corpus"))
    weights = copy / ITEM / "model" / "model.safetensors"
    with safe_open(weights, framework="numpy") as file:
        stamp = file.metadata()
    save_file({name: np.zeros_like(values) for name, values in load_file(weights).items()}, weights, metadata=stamp)
    out = explained(copy, tmp_path / "out", examples=1)
    said = json.loads((out / "explain.json").read_text())
    assert said["no_map"] == "the embeddings of all utterances are equal"
    with np.load(out / "embedding.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["embedding", "emotion", "utterance_id"]
    assert not (out / "embedding.png").exists()
    assert len(list(out.glob("utterances/*.png"))) == 1


def test_a_preset_that_is_neither_shipped_nor_recorded_is_named(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("corpus", "store"))
    write_json(
        copy / ITEM / RECORD, json.loads((copy / ITEM / RECORD).read_text()) | {"model": "mfdr", "preset": "slow"}
    )
    with pytest.raises(PresetError, match="unknown variant 'mfdr:slow'"):
        explained(copy, tmp_path / "out")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_device_is_reported_with_its_option(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"torch sees no GPU; leave out --device cuda, or use --device auto"):
        explained(finished, tmp_path / "out", device="cuda")


def test_a_fold_of_scores_is_drawn_by_step_of_the_scale(rated_benchmark: Path, tmp_path: Path) -> None:
    tested = read_predictions(rated_benchmark / ITEM)
    out = explained(rated_benchmark, tmp_path / "out", examples=2)
    assert len(list((out / "utterances").glob("*.png"))) == 2
    with np.load(out / "embedding.npz", allow_pickle=False) as arrays:
        assert list(arrays) == ["utterance_id", "step", "sentiment", "embedding", "tsne"]
        assert arrays["sentiment"].tolist() == tested["label"].tolist()
        assert arrays["step"].tolist() == [str(round(label)) for label in tested["label"]]
    with np.load(out / "weights" / "extractors.audio.npz", allow_pickle=False) as arrays:
        assert list(arrays) == ["values", "step", "sentiment"]
    assert (out / "embedding.png").is_file()


def test_the_report_of_scores_shows_what_the_folds_kept(rated_benchmark: Path) -> None:
    page = (rated_benchmark / "report.html").read_text(encoding="utf-8")
    assert 'id="embeddings"' in page
    assert 'id="attention"' in page
    assert "t-SNE of context-mmt:mmt-frozen by step of sentiment" in page
    assert "predicted" in page
    assert "true emotion" not in page

"""Learning, choice of the epoch, early stopping, determinism, and errors."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch

from merflow.errors import OutputError, TrainingError
from merflow.inference.prediction import predict
from merflow.training.history import FoldHistory
from merflow.training.resume import CHECKPOINT
from tests.models.batches import EMOTIONS
from tests.training.separable import Utterances, fold, fresh_model, params, separable

FIGURES = {"stage", "train_loss", "dev_loss", "dev_ua", "dev_wa", "lr", "seconds"}


class Notebook:
    """A tracker that records its calls."""

    def __init__(self) -> None:
        self.epochs: dict[int, dict[str, float]] = {}

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        self.epochs[epoch] = dict(metrics)

    def log_folder(self, folder: Path) -> None:
        raise AssertionError(folder)


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    threads, enabled = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == enabled


def test_training_lowers_the_loss_and_reports_every_epoch(tmp_path: Path) -> None:
    notebook, told = Notebook(), []
    model = fresh_model()
    history = fold(
        model,
        tmp_path / "fold",
        tracker=notebook,
        progress=lambda epoch, last, figures: told.append((epoch, last, figures)),
    ).history
    assert history.best.dev_ua > 0.9
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    rows = history.rows()
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert all(row.keys() == FIGURES | {"epoch"} for row in rows)
    assert notebook.epochs == {row["epoch"]: {name: row[name] for name in FIGURES} for row in rows}
    assert [(epoch, last) for epoch, last, _ in told] == [(epoch, 10) for epoch in range(1, 11)]
    assert [path.name for path in (tmp_path / "fold").iterdir()] == [CHECKPOINT]


def test_the_model_ends_with_the_chosen_epochs_weights(tmp_path: Path) -> None:
    model = fresh_model()
    history = fold(model, tmp_path, lr=0.05, max_epochs=25).history
    assert history.best_epoch < 25, "a fold whose last epoch is best would prove nothing"
    assert history.best.dev_loss == min(figures.dev_loss for figures in history.epochs)
    dev = separable(40, seed=2)
    probabilities = torch.from_numpy(predict(model, dev, task=EMOTIONS, batch_size=7, params=params()))
    assert dev.labels is not None
    labels = torch.from_numpy(dev.labels)
    loss = torch.nn.functional.nll_loss(probabilities.log(), labels)
    assert float(loss) == pytest.approx(history.best.dev_loss, abs=1e-5)
    assert float((probabilities.argmax(1) == labels).double().mean()) == pytest.approx(
        history.best.development["dev_wa"]
    )


def test_of_epochs_with_equal_development_ua_the_earliest_is_chosen(tmp_path: Path) -> None:
    history = fold(fresh_model(), tmp_path, monitor="dev_ua", max_epochs=20).history
    best = max(figures.dev_ua for figures in history.epochs)
    epochs = [figures.epoch for figures in history.epochs if figures.dev_ua == best]
    assert len(epochs) > 1, "no tie, nothing proven"
    assert history.best_epoch == epochs[0]


@pytest.mark.parametrize("monitor", ["dev_loss", "dev_ua"])
def test_training_stops_when_patience_runs_out(tmp_path: Path, monitor: str) -> None:
    history = fold(fresh_model(), tmp_path, monitor=monitor, patience_epochs=3, lr=0.1, max_epochs=60).history
    assert len(history.epochs) == history.best_epoch + 3 < 60


def test_max_epochs_of_the_params_limits_the_recipe(tmp_path: Path) -> None:
    assert len(fold(fresh_model(), tmp_path, training=params(max_epochs=2)).history.epochs) == 2


def run(folder: Path, *, seed: int) -> tuple[FoldHistory, dict[str, torch.Tensor]]:
    model = fresh_model()
    history = fold(model, folder, seed=seed, max_epochs=3).history
    return history, model.state_dict()


def test_the_same_seed_gives_the_same_weights_and_another_seed_gives_others(tmp_path: Path) -> None:
    history, weights = run(tmp_path / "first", seed=3)
    torch.rand(17)
    again, same = run(tmp_path / "second", seed=3)
    _, other = run(tmp_path / "third", seed=4)
    assert [figures.dev_loss for figures in again.epochs] == [figures.dev_loss for figures in history.epochs]
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not all(torch.equal(weights[name], other[name]) for name in weights)


def test_a_model_learns_in_bfloat16(tmp_path: Path) -> None:
    assert fold(fresh_model(), tmp_path, training=params(precision="bfloat16")).history.best.dev_ua > 0.8


def test_a_part_without_utterances_is_refused(tmp_path: Path) -> None:
    empty = Utterances({"speech_layers": [], "text_layers": []}, None, {}, 0)
    with pytest.raises(TrainingError, match="no training utterances"):
        fold(fresh_model(), tmp_path, train=empty)
    with pytest.raises(TrainingError, match="no development utterances"):
        fold(fresh_model(), tmp_path, dev=empty)
    with pytest.raises(TrainingError, match="nothing to predict"):
        predict(fresh_model(), empty, task=EMOTIONS, batch_size=4, params=params())


def test_utterances_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not all training utterances have labels"):
        fold(fresh_model(), tmp_path, train=separable(10, seed=0, labelled=False))


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    broken = separable(30, seed=1)
    broken.features["speech_layers"][7][0, 0, 0] = float("nan")
    with pytest.raises(TrainingError, match=r"training loss is nan in epoch 1; lower the recipe's lr \(0.01\)"):
        fold(fresh_model(), tmp_path, train=broken)
    with pytest.raises(TrainingError, match="development loss is nan in epoch 1"):
        fold(fresh_model(), tmp_path / "dev", dev=broken)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"training.device is cuda, but torch sees no GPU"):
        fold(fresh_model(), tmp_path, training=params(device="cuda"))


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        fold(fresh_model(), tmp_path / "file" / "fold")

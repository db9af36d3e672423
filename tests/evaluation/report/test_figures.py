from pathlib import Path

import pytest
from matplotlib.image import imread

from merflow.errors import EvaluationError
from merflow.evaluation.report.figures import confusion_figure, learning_figure
from tests.contracts.records import epoch


def test_each_cell_has_its_share_and_count() -> None:
    figure = confusion_figure([[3, 1], [0, 0]], classes=("angry", "sad"), title="context-mmt:mmt-frozen")
    axes = figure.axes[0]

    assert [text.get_text() for text in axes.texts] == ["75.0%\n3", "25.0%\n1", "0.0%\n0", "0.0%\n0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["angry", "sad"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["angry\n4", "sad\n0"]


def test_figures_are_saved_without_a_display(tmp_path: Path) -> None:
    confusion_figure([[3, 1], [2, 5]], classes=("angry", "sad"), title="t").savefig(tmp_path / "confusion.png")
    history = {fold: [epoch(number, train_loss=1 / number) for number in (1, 2)] for fold in (1, 2)}
    figure = learning_figure(history, title="t", chosen={1: 2}, figure_name="dev_ua")
    figure.savefig(tmp_path / "learning.png")

    assert [axes.get_title() for axes in figure.axes] == ["fold 1", "fold 2", "", ""]
    assert imread(tmp_path / "confusion.png").std() > 0
    assert imread(tmp_path / "learning.png").std() > 0


def test_counts_of_other_classes_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"shape \(2, 2\); expected 3 rows and columns"):
        confusion_figure([[3, 1], [2, 5]], classes=("a", "b", "c"), title="t")

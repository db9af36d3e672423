import numpy as np
import pytest

from merflow.contracts.task import Classification
from merflow.evaluation.inspection_file import FoldInspection, ModuleAverages
from merflow.evaluation.report.model_figures import embeddings, model_figures

TASK = Classification(("angry", "happy"))
RANDOM = np.random.default_rng(0)


def inspected(**averages: ModuleAverages) -> FoldInspection:
    return FoldInspection(("angry", "happy") * 3, RANDOM.random((6, 4)), averages, ())


def test_gates_of_one_kind_share_a_figure_and_are_distinguished() -> None:
    modules = {
        "block.video_from_text.opening": ModuleAverages(np.full((6, 1), 0.25), "mean"),
        "block.text_from_video.opening": ModuleAverages(np.full((6, 1), 0.75), "mean"),
        "layers": ModuleAverages(np.tile([0.125, 0.5, 0.375], (6, 1)), "layer"),
    }
    (found,) = model_figures({"m:full": ("fold 1", inspected(**modules))}, order=["m:full", "m:less"], task=TASK)
    assert (found.variant, found.training) == ("m:full", "fold 1")
    gates, layers = found.figures
    assert gates.alt == (
        "opening of m:full, mean over utterances by emotion: video from text 0.25, text from video 0.75"
    )
    assert layers.alt == "layers of m:full, mean over utterances by emotion: largest at layer 1"
    assert gates.source != layers.source


@pytest.mark.parametrize("name", ["gate", "block.gate"])
def test_a_gate_that_is_alone_of_its_kind_has_a_figure(name: str) -> None:
    modules = {name: ModuleAverages(np.full((6, 1), 0.5), "mean")}
    (found,) = model_figures({"m:full": ("fold 1", inspected(**modules))}, order=["m:full"], task=TASK)
    (gate,) = found.figures
    assert gate.alt.startswith("gate of m:full")
    assert gate.alt.endswith("0.50")


@pytest.mark.parametrize(
    ("vector", "caption"),
    [
        ([0.0, 0.0], "No t-SNE: the embeddings of all utterances are equal."),
        ([np.nan, 1.0], "No t-SNE: some embeddings are not finite."),
    ],
)
def test_embeddings_that_do_not_vary_have_a_note_in_place_of_a_chart(vector: list[float], caption: str) -> None:
    dead = FoldInspection(("angry", "happy") * 20, np.tile(vector, (40, 1)), {}, ())
    alive = FoldInspection(("angry", "happy") * 20, RANDOM.random((40, 2)), {}, ())
    both = {"m:dead": ("fold 1", dead), "m:alive": ("fold 2", alive)}
    found = embeddings(both, order=list(both), task=TASK)
    assert [(each.variant, each.chart is None) for each in found] == [("m:dead", True), ("m:alive", False)]
    assert found[0].caption == caption
    assert "% of an utterance's ten nearest neighbours share its emotion (chance: " in found[1].caption

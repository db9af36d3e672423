"""Figures of inspected models of scores: colours by step of the scale, and a score in place of probabilities."""

import json

import numpy as np
import pytest

from merflow.contracts.task import SCALES
from merflow.evaluation.embeddings import neighbours_apart
from merflow.evaluation.inspection_file import AxisScale, FoldInspection, InspectedUtterance, ModuleAverages, NamedArray
from merflow.evaluation.report.inspection_figures import utterance_figure
from merflow.evaluation.report.model_figures import embeddings, model_figures
from merflow.evaluation.report.step_styles import step_styles

TASK = SCALES["sentiment"]
STEPS = tuple(str(step) for step in (-3, -1, 0, 0, 1, 2, 3))


def inspected(*, utterances: tuple[InspectedUtterance, ...] = ()) -> FoldInspection:
    labels = np.array(STEPS * 6, dtype=np.float64)
    vectors = np.stack([labels, labels], axis=1) + np.random.default_rng(0).normal(0, 0.2, size=(42, 2))
    averages = {"gate": ModuleAverages(labels[:, None], "mean")}
    return FoldInspection(STEPS * 6, vectors, averages, utterances)


def utterance(score: float, truth: str = "1.3333333") -> InspectedUtterance:
    arrays = {"fusion": NamedArray(np.ones((3, 4)) / 4, ("text", "speech"))}
    scales = {"text": AxisScale("token", 0, 3), "speech": AxisScale("s", 0, 2)}
    return InspectedUtterance("u1", "", truth, {"sentiment": score}, arrays, scales)


def test_the_map_is_coloured_by_step_and_says_how_far_neighbours_are_apart() -> None:
    (found,) = embeddings({"m:full": ("fold 1", inspected())}, order=["m:full"], task=TASK)
    assert found.chart is not None
    assert "t-SNE of m:full by step of sentiment" in found.chart.label
    drawn = json.loads(found.chart.json)["data"]
    assert [trace["name"] for trace in drawn] == [
        *("-3 (6)", "-2 (0)", "-1 (6)", "0 (12)", "1 (6)", "2 (6)", "3 (6)"),
    ]
    assert len({trace["marker"]["color"] for trace in drawn}) == 7
    assert [trace["marker"]["symbol"] for trace in drawn] == ["triangle-down"] * 3 + ["circle"] + ["triangle-up"] * 3
    labels = np.array(STEPS * 6, dtype=np.float64)
    apart, chance = neighbours_apart(inspected().embedding, labels)
    assert apart < 0.7 * chance
    pairs = [abs(a - b) for row, a in enumerate(labels) for column, b in enumerate(labels) if row != column]
    assert chance == pytest.approx(np.mean(pairs))
    assert f"are {apart:.3f} steps of sentiment apart on average (chance: {chance:.3f})" in found.caption


def test_attention_names_true_and_predicted_score() -> None:
    (found,) = model_figures(
        {"m:full": ("fold 1", inspected(utterances=(utterance(0.871),)))}, order=["m:full"], task=TASK
    )
    gate, attention = found.figures
    assert gate.alt.startswith("gate of m:full, mean over utterances by step of sentiment")
    assert attention.caption == "u1: true sentiment 1.333, predicted 0.871"
    assert "emotion" not in gate.caption + gate.alt + attention.caption + attention.alt


@pytest.mark.parametrize("score", [-0.5, 3.4])
def test_an_utterance_shows_its_score_on_the_scale(score: float) -> None:
    seen = utterance(score)
    assert seen.score == (TASK, score)
    panel = utterance_figure(seen).axes[0]
    assert panel.get_title(loc="left") == "sentiment"
    assert [text.get_text() for text in panel.texts] == ["true 1.33", f"predicted {score:.2f}"]
    low, high = panel.get_xlim()
    assert low < -3
    assert high > max(3, score)


def test_five_steps_have_the_ends_and_the_middle_of_the_colours() -> None:
    seven, five = step_styles(TASK), step_styles(SCALES["valence"])
    assert [len(seven), len(five)] == [7, 5]
    assert [five[0], five[2], five[4]] == [seven[0], seven[3], seven[6]]


def test_probabilities_are_not_a_score() -> None:
    seen = InspectedUtterance("u1", "", "happy", {"happy": 0.9, "sad": 0.1}, {}, {})
    assert seen.score is None

import numpy as np
import pytest
from statsmodels.stats.power import normal_power  # type: ignore[import-untyped,unused-ignore]

from merflow.contracts.comparisons import Comparison
from merflow.corpus.iemocap_counts import iemocap_counts
from merflow.evaluation.power import (
    PLANNED_CLASSES,
    PLANNED_DIALOGUES,
    detectable,
    planned_error,
    power_of,
)
from merflow.evaluation.report.notes import power_note
from tests.evaluation.finished import comparison


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.05, 0.9), (0.01, 0.8)])
def test_the_detectable_difference_is_that_of_statsmodels(alpha: float, power: float) -> None:
    difference = detectable(0.013, alpha=alpha, power=power)
    assert normal_power(difference / 0.013, 1, alpha) == pytest.approx(power, abs=1e-5)


def test_the_planned_test_set_is_the_corpus() -> None:
    by_class = np.sum([list(each.values()) for each in iemocap_counts()["four_classes_by_speaker"].values()], axis=0)
    assert by_class.tolist() == list(PLANNED_CLASSES)
    assert sum(PLANNED_CLASSES) == 5531
    assert len(iemocap_counts()["turns_by_dialogue"]) == PLANNED_DIALOGUES


def test_the_planned_error_of_independent_utterances_in_equal_classes_is_the_binomials() -> None:
    error = planned_error([250] * 4, dialogues=1000, disagreement=0.16, correlation=0.5)
    assert error == pytest.approx((0.16 / 1000) ** 0.5)
    together = planned_error([250] * 4, dialogues=50, disagreement=0.16, correlation=0.5)
    assert together == pytest.approx(error * (1 + 19 * 0.5) ** 0.5)


def _pair(a: str, b: str, error: float | None) -> Comparison:
    return comparison(a, b, delta_ua=0.1, p=0.5, standard_error=error)


def test_the_typical_pair_is_the_median_and_holm_asks_for_more() -> None:
    pairs = [_pair("x", "y", 0.01), _pair("x", "z", 0.02), _pair("y", "z", 0.04)]
    found = power_of(pairs, utterances=1234, dialogues=40)

    assert found.standard_error == 0.02
    assert found.detectable_ua == pytest.approx(0.02 * (1.959964 + 0.841621), abs=1e-6)
    assert found.detectable_ua_holm == pytest.approx(detectable(0.02, alpha=0.05 / 3, power=0.8))
    assert [pair.detectable_ua for pair in found.pairs] == pytest.approx([0.0280159, 0.0560317, 0.1120634], abs=1e-7)
    note = power_note(found)
    assert "With 1,234 test utterances in 40 dialogues, a true UA difference of 5.6 points" in note
    assert "(5,531 utterances in 151 dialogues) would detect 2.3 points, if" in note
    assert found.planned.detectable_ua == pytest.approx(0.0225, abs=0.0005)


@pytest.mark.parametrize("pairs", [[], [_pair("x", "y", None)]])
def test_one_variant_or_one_dialogue_tells_nothing_of_this_test_set(pairs: list[Comparison]) -> None:
    found = power_of(pairs, utterances=10, dialogues=1)
    assert (found.standard_error, found.detectable_ua, found.detectable_ua_holm, found.pairs) == (
        *(None, None, None), (),
    )  # fmt: skip
    assert power_note(found).startswith("The power of this test set is unknown")

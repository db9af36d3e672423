from typing import Any

import pytest

from merflow.evaluation.report.verdict import verdict
from tests.evaluation.finished import NAMES, results_of_three, side_columns, with_statistics


@pytest.fixture
def results() -> dict[str, Any]:
    return {**results_of_three(), "corpus": "iemocap"}


def judged(results: dict[str, Any], *p_holm: float) -> tuple[str, str]:
    """Headline and sentences where the best's pairs with the second and the third have these p-values."""
    for pair, p in zip(results["comparisons"], p_holm, strict=False):
        pair["p_holm"] = p
    found = verdict(results)
    return found.headline, " ".join(found.sentences)


def test_a_lead_that_holds_against_all_is_called_best(results: dict[str, Any]) -> None:
    headline, said = judged(results, 0.01, 0.0001)
    assert headline == f"{NAMES[0]} is best, beyond chance"
    assert "reaches a UA of 70.0 % (95 % interval 65.0\N{EN DASH}75.0; chance 25.0 %)." in said
    assert f"It lies 10.0 points above the next, {NAMES[1]}" in said
    assert "\N{MINUS SIGN}1.0 to +20.0, p = 0.010 after Holm's adjustment over 3 pairs)" in said
    assert f"better than {NAMES[1]} and {NAMES[2]} beyond chance" in said
    assert "could be chance" not in said


def test_a_lead_that_could_be_chance_is_not_called_best(results: dict[str, Any]) -> None:
    headline, said = judged(results, 0.2, 0.5)
    assert headline == f"{NAMES[0]} is ahead, but the lead could be chance"
    assert (
        f"The difference from {NAMES[1]} and {NAMES[2]} could be chance at the level of 5 %: do not rank them" in said
    )
    assert "beyond chance" not in said


def test_a_lead_over_some_names_the_others(results: dict[str, Any]) -> None:
    headline, said = judged(results, 0.05, 0.0001)
    assert headline == f"{NAMES[0]} is ahead; 1 other may be as good"
    assert f"The difference from {NAMES[1]} could be chance at the level of 5 %: do not rank it" in said
    assert f"It is better than {NAMES[2]} beyond chance." in said


def test_one_variant_is_compared_with_nothing(results: dict[str, Any]) -> None:
    alone = {**results, "variants": {NAMES[0]: results["variants"][NAMES[0]]}, "comparisons": []}
    assert judged(alone) == (
        f"{NAMES[0]} reaches a UA of 70.0 %",
        f"{NAMES[0]} reaches a UA of 70.0 % (95 % interval 65.0\N{EN DASH}75.0; chance 25.0 %). "
        "Nothing else was tested: there is nothing to compare it with.",
    )


def test_seeds_are_told_where_there_are_several(results: dict[str, Any]) -> None:
    assert "One seed was trained" in " ".join(verdict(results).cautions)
    over = {"mean": 0.08, "std": 0.01, "ci95": [0.02, 0.13], "each": [{}, {}, {}]}
    results["comparisons"][0]["over_seeds"] = over
    found = verdict({**results, "seeds": [0, 1, 2]})
    assert found.sentences[-1] == ("Over 3 seeds that lead is +8.0 points on average, 95 % interval +2.0 to +13.0.")
    assert "One seed" not in " ".join(found.cautions)


def test_cautions_name_what_else_could_be_behind_a_figure(results: dict[str, Any]) -> None:
    told = with_statistics(results)
    top = told["variants"][NAMES[0]]
    top |= side_columns()
    cautions = verdict(told).cautions
    assert "finds a true difference of 8.3 points between two variants 80 times in 100" in cautions[0]
    assert cautions[-1] == "With epochs chosen on the test data, as in some published code, it would read 75.0 %."
    assert not any("baseline" in caution or "synthetic" in caution for caution in cautions)
    told["baselines"]["side only"]["UA"] = 0.66
    top["UA"]["ci95"][0] = 0.2
    cautions = verdict({**told, "corpus": "synthetic"}).cautions
    assert "The baseline side only reaches 66.0 % without a model of emotion" in " ".join(cautions)
    assert "reaches down to chance" in " ".join(cautions)
    assert cautions[-1] == "The corpus is synthetic: no number here says anything about real speech."


def test_too_few_dialogues_are_told(results: dict[str, Any]) -> None:
    assert not any("too few" in caution for caution in verdict(results).cautions)
    results["variants"][NAMES[0]]["UA"]["ci95"] = None
    found = verdict({**results, "dialogues": 4})
    assert found.cautions[0] == "4 dialogues are too few for an interval: the figures are bare."
    assert "(chance 25.0 %)" in found.sentences[0]

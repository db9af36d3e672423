import pytest

from merflow.contracts.comparisons import ClassicComparison, DifferenceOverSeeds, SeedDifference
from merflow.contracts.results import Results
from merflow.contracts.scores import Accuracy, ClassicScore
from merflow.contracts.text_leak import LearnedLeak, SettingGap, TextLeak
from merflow.evaluation.report.verdict import verdict
from tests.evaluation.finished import NAMES, changed, results_of_three, side_columns, with_statistics


@pytest.fixture
def results() -> Results:
    return results_of_three(synthetic=False)


def judged(results: Results, *p_holm: float) -> tuple[str, str]:
    """Headline and sentences if the best variant's pairs with the second and the third have these p-values."""
    pairs = list(results.comparisons)
    for index, p in enumerate(p_holm):
        pairs[index] = pairs[index].model_copy(update={"p_holm": p})
    found = verdict(results.model_copy(update={"comparisons": tuple(pairs)}))
    return found.headline, " ".join(found.sentences)


def test_a_lead_that_holds_against_all_is_called_best(results: Results) -> None:
    headline, said = judged(results, 0.01, 0.0001)
    assert headline == f"{NAMES[0]} is significantly better than all other variants"
    assert "reaches a UA of 70.0% (95% interval 65.0\N{EN DASH}75.0, chance 25.0%)." in said
    assert f"Its lead over the next variant, {NAMES[1]}, is 10.0 points" in said
    assert "\N{MINUS SIGN}1.0 to +20.0; p = 0.010 after Holm's adjustment over 3 pairs)" in said
    assert f"significantly better than {NAMES[1]} and {NAMES[2]}." in said
    assert "could be chance" not in said


def test_a_lead_that_could_be_chance_is_not_called_best(results: Results) -> None:
    headline, said = judged(results, 0.2, 0.5)
    assert headline == f"{NAMES[0]} leads, but its lead could be chance"
    assert f"At the 5% level, its lead over {NAMES[1]} and {NAMES[2]} could be chance: do not rank them" in said
    assert "significantly" not in said


def test_a_lead_over_some_names_the_others(results: Results) -> None:
    headline, said = judged(results, 0.05, 0.0001)
    assert headline == f"{NAMES[0]} leads; 1 other variant may be as good"
    assert f"At the 5% level, its lead over {NAMES[1]} could be chance: do not rank the two" in said
    assert f"It is significantly better than {NAMES[2]}." in said


def test_one_variant_is_compared_with_nothing(results: Results) -> None:
    alone = results.model_copy(update={"variants": {NAMES[0]: results.variants[NAMES[0]]}, "comparisons": ()})
    assert judged(alone) == (
        f"{NAMES[0]} reaches a UA of 70.0%",
        f"{NAMES[0]} reaches a UA of 70.0% (95% interval 65.0\N{EN DASH}75.0, chance 25.0%). "
        "No other variant was tested, so there is nothing to compare it with.",
    )


def test_the_only_other_variant_is_named_in_the_headline(results: Results) -> None:
    two = {name: results.variants[name] for name in NAMES[:2]}
    headline, _ = judged(results.model_copy(update={"variants": two, "comparisons": results.comparisons[:1]}), 0.01)
    assert headline == f"{NAMES[0]} is significantly better than {NAMES[1]}"


def test_seeds_are_reported_where_there_are_several(results: Results) -> None:
    assert "Only one seed was trained" in " ".join(verdict(results).cautions)
    each = tuple(SeedDifference(seed=seed, delta_ua=0.08) for seed in (0, 1, 2))
    over = DifferenceOverSeeds(mean=0.08, std=0.01, ci95=(0.02, 0.13), each=each)
    first, *others = results.comparisons
    pairs = (first.model_copy(update={"over_seeds": over}), *others)
    found = verdict(results.model_copy(update={"comparisons": pairs, "seeds": (0, 1, 2)}))
    assert found.sentences[-1] == "Over 3 seeds, that lead is +8.0 points on average (95% interval +2.0 to +13.0)."
    assert "one seed" not in " ".join(found.cautions)


def test_cautions_name_what_else_could_be_behind_a_figure(results: Results) -> None:
    told = changed(with_statistics(results), NAMES[0], **side_columns())
    cautions = verdict(told).cautions
    assert "detects a true difference of 8.3 points between two variants with a probability of 80%" in cautions[0]
    assert cautions[-1] == "With epochs chosen on test data, as in some published code, the UA would read 75.0%."
    assert not any("baseline" in caution or "synthetic" in caution for caution in cautions)
    side_only = told.baselines["side only"].model_copy(update={"ua": 0.66})
    told = told.model_copy(update={"baselines": {**told.baselines, "side only": side_only}, "synthetic": True})
    told = changed(told, NAMES[0], ua=Accuracy(mean=0.7, std=0.02, pooled=0.7, ci95=(0.2, 0.75)))
    assert verdict(told).headline.endswith("; it is not clearly better than chance")
    cautions = verdict(told).cautions
    assert "The baseline side only reaches 66.0% without a model of emotion" in " ".join(cautions)
    assert "includes chance" in " ".join(cautions)
    assert cautions[-1] == "The corpus is synthetic. These figures say nothing about real speech."


def test_too_few_dialogues_are_reported(results: Results) -> None:
    assert not any("too few" in caution for caution in verdict(results).cautions)
    bare = changed(results, NAMES[0], ua=Accuracy(mean=0.7, std=0.02, pooled=0.7))
    found = verdict(bare.model_copy(update={"dialogues": 4}))
    assert found.cautions[0] == "4 dialogues are too few for confidence intervals."
    assert "(chance 25.0%)" in found.sentences[0]


def _against(results: Results, *, delta_ua: float, p: float) -> Results:
    """Return results whose best variant has this difference to a classic of words."""
    classic = ClassicScore(
        ua=Accuracy(mean=0.5, std=0.1, pooled=0.7 - delta_ua, ci95=(0.4, 0.6)),
        wa=Accuracy(mean=0.5, std=0.1, pooled=0.5, ci95=(0.4, 0.6)),
        macro_f1=0.5,
        weighted_f1=0.5,
        per_class_recall={},
        modalities=("text",),
        context=False,
        transcripts="truth",
        description="TF-IDF.",
    )
    pair = ClassicComparison(
        variant=NAMES[0],
        classic="classic:tfidf",
        delta_ua=delta_ua,
        ci95=(delta_ua - 0.05, delta_ua + 0.05),
        standard_error=0.02,
        p_bootstrap=p,
        p_holm=p,
    )
    return results.model_copy(update={"classics": {"classic:tfidf": classic}, "classic_comparisons": (pair,)})


@pytest.mark.parametrize(
    ("delta_ua", "p", "headline", "sentence"),
    [
        (0.1, 0.001, "", "It beats the best classic of the same modalities, classic:tfidf: 70.0% against 60.0%"),
        (0.03, 0.2, "; it does not clearly beat classic:tfidf", "It is ahead of the best classic"),
        (-0.03, 0.2, "; it does not beat classic:tfidf", "It does not beat the best classic"),
        (-0.1, 0.001, "; classic:tfidf is significantly better", "It is significantly worse than the best classic"),
    ],
)
def test_the_first_lines_say_if_the_best_classic_is_beaten(
    results: Results, delta_ua: float, p: float, headline: str, sentence: str
) -> None:
    found = verdict(_against(results, delta_ua=delta_ua, p=p))
    assert found.headline == verdict(results).headline + headline
    assert found.sentences[1].startswith(sentence)
    assert "95% interval" in found.sentences[1]


def test_modalities_without_a_classic_are_named(results: Results) -> None:
    results = _against(results, delta_ua=0.1, p=0.001).model_copy(update={"classic_comparisons": ()})
    assert verdict(results).sentences[1].startswith("No classic reads nothing but audio and text")


def test_the_learned_leak_is_a_caution(results: Results) -> None:
    learned = LearnedLeak(
        classic="classic:tfidf",
        unseen="classic:tfidf-unseen-lines",
        group="scripted",
        utterances=60,
        ua=0.9,
        ua_unseen=0.6,
        leak=0.3,
        ci95=(0.2, 0.4),
    )
    gaps = {NAMES[0]: SettingGap(scripted=0.8, improvised=0.6, gap=0.2, ci95=(0.1, 0.3))}
    told = " ".join(verdict(results.model_copy(update={"text_leak": TextLeak(gaps=gaps, learned=(learned,))})).cautions)
    assert "classic:tfidf loses 30.0 points on scripted utterances (95% interval +20.0 to +40.0)" in told
    assert f"{NAMES[0]} reaches 80.0% on scripted and 60.0% on improvised utterances, a gap of +20.0 points" in told

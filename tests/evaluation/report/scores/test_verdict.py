import pytest

from merflow.contracts.score_results import ScoreResults
from merflow.evaluation.report.scores.verdict import score_verdict
from merflow.evaluation.report.verdict import Verdict
from tests.evaluation.scores.rated import results_of_three

BEST, CLASSIC = "mfdr:full", "classic:tfidf"


@pytest.fixture(scope="module")
def results() -> ScoreResults:
    return results_of_three(errors_of_classics={"tfidf": 0.9, "tfidf-asr": 1.5})


def judged(results: ScoreResults, *, mae: float, p: float, ccc: float | None) -> Verdict:
    """Verdict if the best variant has these differences to the best classic."""
    pair = results.best_classic(BEST)
    assert pair is not None
    assert pair.ccc is not None
    changed = pair.model_copy(
        update={
            "mae": pair.mae.model_copy(update={"delta": mae, "p_holm": p}),
            "ccc": None if ccc is None else pair.ccc.model_copy(update={"delta": ccc, "p_holm": 0.021}),
        }
    )
    pairs = tuple(changed if each is pair else each for each in results.classic_comparisons)
    return score_verdict(results.model_copy(update={"classic_comparisons": pairs}))


def test_the_best_classic_has_the_lowest_error(results: ScoreResults) -> None:
    assert results.ranked_classics == (CLASSIC, "classic:tfidf-asr")
    pairs = [results.best_classic(name) for name in results.ranked]
    assert [None if pair is None else (pair.variant, pair.classic) for pair in pairs] == [
        (name, CLASSIC) for name in results.ranked
    ]
    (*ahead, behind) = pairs
    assert all(pair is not None and pair.ahead and pair.mae.delta < 0 for pair in ahead)
    assert behind is not None
    assert not behind.ahead
    assert results.best_classic("mfdr:unknown") is None


def test_the_first_lines_have_the_figures_that_were_found(results: ScoreResults) -> None:
    mae, of_classic = results.variants[BEST].mae, results.classics[CLASSIC].mae
    found = score_verdict(results)
    beaten = f"It beats the best classic of the same modalities, {CLASSIC}: MAE {mae:.3f} against {of_classic:.3f}, a "
    assert found.sentences[2].startswith(beaten)
    assert f"a difference of \N{MINUS SIGN}{of_classic - mae:.3f} (95% interval \N{MINUS SIGN}" in found.sentences[2]
    assert found.sentences[3].startswith(f"The MAE of {BEST} differs from that of the next variant")


@pytest.mark.parametrize(
    ("mae", "p", "headline", "sentence"),
    [
        (-0.1, 0.001, "", "It beats the best classic of the same modalities, classic:tfidf: MAE "),
        (-0.03, 0.2, "; it does not clearly beat classic:tfidf", "It is ahead of the best classic"),
        (0.03, 0.2, "; it does not beat classic:tfidf", "It does not beat the best classic"),
        (0.1, 0.001, "; classic:tfidf is significantly better", "It is significantly worse than the best classic"),
    ],
)
def test_the_first_lines_say_if_the_best_classic_is_beaten(
    results: ScoreResults, mae: float, p: float, headline: str, sentence: str
) -> None:
    without = results.model_copy(update={"classics": {}, "classic_comparisons": ()})
    found = judged(results, mae=mae, p=p, ccc=None)
    assert found.headline == score_verdict(without).headline + headline
    assert found.sentences[2].startswith(sentence)
    assert not any("classic" in sentence for sentence in score_verdict(without).sentences)


def test_one_variant_is_compared_with_the_classics_too(results: ScoreResults) -> None:
    alone = results.model_copy(update={"variants": {BEST: results.variants[BEST]}, "comparisons": ()})
    found = judged(alone, mae=0.1, p=0.001, ccc=None)
    assert (
        found.headline
        == f"{BEST} reaches an MAE of {results.variants[BEST].mae:.3f}; {CLASSIC} is significantly better"
    )
    assert found.sentences[-1].startswith("No other variant was tested")


@pytest.mark.parametrize(
    ("mae", "ccc", "told"),
    [
        (-0.1, 0.02, None),
        (0.1, -0.02, None),
        (-0.1, -0.02, f"By CCC, {CLASSIC} is ahead of {BEST} (\N{MINUS SIGN}0.020, p = 0.021)"),
        (0.1, 0.02, f"By CCC, {BEST} is ahead of {CLASSIC} (\N{MINUS SIGN}0.020, p = 0.021)"),
    ],
)
def test_another_order_by_ccc_is_reported(results: ScoreResults, mae: float, ccc: float, told: str | None) -> None:
    sentences = [each for each in judged(results, mae=mae, p=0.001, ccc=ccc).sentences if CLASSIC in each]
    assert len(sentences) == (1 if told is None else 2)
    assert told is None or sentences[1].startswith(told)


def test_modalities_without_a_classic_are_named(results: ScoreResults) -> None:
    found = score_verdict(results.model_copy(update={"classic_comparisons": ()}))
    assert found.sentences[2].startswith("No classic reads nothing but audio and text")


def test_an_order_by_ccc_that_could_be_chance_is_told_as_such(results: ScoreResults) -> None:
    pair = results.best_classic(BEST)
    assert pair is not None
    assert pair.ccc is not None
    ccc = pair.ccc.model_copy(update={"delta": -0.02, "p_holm": 0.4})
    pairs = tuple(
        each.model_copy(update={"ccc": ccc}) if each is pair else each for each in results.classic_comparisons
    )
    sentences = score_verdict(results.model_copy(update={"classic_comparisons": pairs})).sentences
    (told,) = [each for each in sentences if each.startswith("By CCC, classic")]
    assert told == (f"By CCC, {CLASSIC} is ahead of {BEST} (\N{MINUS SIGN}0.020, p = 0.400), but this could be chance.")


@pytest.mark.parametrize(
    ("mae", "ends", "told"),
    [
        (1.2, (1.0, 1.4), "The interval of the best variant includes 1.300, the MAE of the training labels' median"),
        (1.5, (1.4, 1.6), "The best variant is not below 1.300, the MAE of the training labels' median"),
        (1.5, None, "The best variant is not below 1.300, the MAE of the training labels' median"),
        (1.2, None, None),
        (1.0, (0.9, 1.1), None),
    ],
)
def test_a_variant_that_may_be_no_better_than_a_constant_is_named(
    results: ScoreResults, mae: float, ends: tuple[float, float] | None, told: str | None
) -> None:
    best, floor = results.variants[BEST], results.floors["median"]
    figure = best.figures["MAE"].model_copy(update={"pooled": mae, "ci95": ends})
    changed = results.model_copy(
        update={
            "variants": {BEST: best.model_copy(update={"figures": {**best.figures, "MAE": figure}})},
            "comparisons": (),
            "floors": {
                **results.floors,
                "median": floor.model_copy(update={"values": {**floor.values, "MAE": 1.3}}),
            },
        }
    )
    found = score_verdict(changed)
    assert found.headline.endswith("; it is not clearly better than a constant prediction") is (told is not None)
    cautions = [each for each in found.cautions if "median" in each]
    assert cautions == ([] if told is None else [f"{told}: it may not have learned anything."])

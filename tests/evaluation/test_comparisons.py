import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped,unused-ignore]

from merflow.contracts.baselines import Baseline
from merflow.contracts.results import ComparedVariant, Results
from merflow.evaluation.comparisons import ComparedOrigin, compare_variants
from tests.evaluation.drawn_benchmark import PARAMS, corpus, held_out, results_of, table
from tests.evaluation.finished import SELECTION, TRAINING

SKILLS = {"weak": 0.45, "middle": 0.55, "good": 0.62, "best": 0.7}


def tables(*seeds: int) -> pd.DataFrame:
    utterances = corpus()
    return pd.concat(
        [
            table(utterances, name, skill=skill, draw=draw, seed=seed)
            for draw, (name, skill) in enumerate(SKILLS.items())
            for seed in seeds
        ]
    )


@pytest.fixture(scope="module")
def one_seed() -> Results:
    return results_of(tables(0), corpus())


def test_each_family_of_p_values_is_adjusted_as_statsmodels_does(one_seed: Results) -> None:
    pairs = one_seed.comparisons
    assert len(pairs) == 6
    for test, adjusted in (("p_bootstrap", "p_holm"), ("p_mcnemar", "p_mcnemar_holm")):
        expected = multipletests([getattr(pair, test) for pair in pairs], method="holm")[1]
        np.testing.assert_allclose([getattr(pair, adjusted) for pair in pairs], expected)
    assert any(pair.p_mcnemar_holm > pair.p_mcnemar for pair in pairs)


def test_one_seed_has_no_spread_over_seeds(one_seed: Results) -> None:
    assert [pair.over_seeds for pair in one_seed.comparisons] == [None] * 6


def test_the_difference_of_each_seed_is_that_of_the_seed_alone() -> None:
    seeds = (1, 4, 9)
    together = results_of(tables(*seeds), corpus())
    alone = {seed: results_of(tables(seed), corpus()).variants for seed in seeds}

    for pair in together.comparisons:
        found = pair.over_seeds
        assert found is not None
        expected = [alone[seed][pair.a].ua.pooled - alone[seed][pair.b].ua.pooled for seed in seeds]
        assert [each.seed for each in found.each] == list(seeds)
        np.testing.assert_allclose([each.delta_ua for each in found.each], expected)
        assert found.mean == pytest.approx(np.mean(expected))
        assert found.std == pytest.approx(np.std(expected, ddof=1))
        interval = stats.ttest_1samp(expected, 0).confidence_interval(0.95)
        np.testing.assert_allclose(found.ci95, (interval.low, interval.high))


def test_copies_of_a_seed_add_no_certainty() -> None:
    """The same predictions under two seeds: intervals and p-values stay what they were."""
    once = results_of(tables(0), corpus())
    twice = results_of(pd.concat([tables(0), tables(0).assign(seed=np.int32(1))]), corpus())

    for single, double in zip(once.comparisons, twice.comparisons, strict=True):
        assert (single.a, single.b, single.p_bootstrap) == (double.a, double.b, double.p_bootstrap)
        assert single.ci95 is not None
        assert double.ci95 is not None
        np.testing.assert_allclose(double.ci95, single.ci95)
        assert double.standard_error == pytest.approx(single.standard_error)
        assert double.p_mcnemar == pytest.approx(single.p_mcnemar)
        assert double.over_seeds is not None
        assert double.over_seeds.std == 0.0
    assert twice.power.detectable_ua == pytest.approx(once.power.detectable_ua)


def test_baselines_and_side_columns_are_in_no_family() -> None:
    shadow = table(corpus(), "weak", skill=0.9, draw=8)
    guesses = dict.fromkeys(corpus()["utterance_id"], "sad")
    beside = {"majority": Baseline("Always sad.", guesses)}
    plain = results_of(tables(0), corpus())
    found = results_of(tables(0), corpus(), none_paper=shadow, baselines=beside)

    assert found.baselines["majority"].ua == pytest.approx(0.25)
    assert found.comparisons == plain.comparisons
    assert found.power == plain.power
    assert plain.baselines == {}


def test_runs_compared_alone_have_the_figures_of_the_results(one_seed: Results) -> None:
    origins = dict.fromkeys(one_seed.variants, ComparedOrigin("runs/x", SELECTION, TRAINING.regime, {}))
    found = compare_variants(tables(0), held_out(corpus()), runs=["runs/x"], origins=origins, params=PARAMS)
    shared = ("corpus", "split_id", "protocol", "utterances", "dialogues", "seeds", "resamples", "comparisons", "power")
    for name in shared:
        assert getattr(found, name) == getattr(one_seed, name)
    assert found.ranked == one_seed.ranked
    assert found.variants == {
        name: ComparedVariant(
            ua=variant.ua, wa=variant.wa, run="runs/x", selection=SELECTION, regime=TRAINING.regime, encoders={}
        )
        for name, variant in one_seed.variants.items()
    }

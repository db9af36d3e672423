"""Presets with values of their search spaces."""

import optuna
import pytest

from merflow.contracts.presets import Preset
from merflow.contracts.task import SCALES, Regression
from merflow.errors import TuningError
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.tuning.dimensions import Dimension
from merflow.tuning.space import SearchSpace, Values
from tests.tuning.studies import space

DRAWN = 20


def drawn(of: SearchSpace, count: int = DRAWN) -> list[Values]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [of.suggest(study.ask()) for _ in range(count)]


def test_every_value_in_a_presets_space_gives_a_model_that_reads_the_same_features() -> None:
    seen = 0
    for preset in catalogue.presets().values():
        of = SearchSpace.of(preset, recipes=preset.recipes)
        assert len(of.facts) >= 5
        for values in drawn(of):
            tuned = of.applied(values)
            config = MODELS[preset.model].configure(tuned.config)
            assert config.streams() == MODELS[preset.model].configure(preset.config).streams()
            seen += 1
    assert seen == DRAWN * len(catalogue.presets())


def test_the_presets_own_values_are_in_its_space_and_change_nothing() -> None:
    for preset in catalogue.presets().values():
        of = SearchSpace.of(preset, recipes=preset.recipes)
        same = of.applied(of.defaults())
        entry = MODELS[preset.model]
        assert entry.configure(same.config) == entry.configure(preset.config)
        for tuned, own in zip(same.recipes, preset.recipes, strict=True):
            assert tuned.model_dump(exclude={"encoder_lr"}) == own.model_dump(exclude={"encoder_lr"})
            assert (tuned.encoder_lr or tuned.lr) == (own.encoder_lr or own.lr)


@pytest.mark.parametrize("task", SCALES.values(), ids=str)
def test_a_presets_settings_for_scores_are_in_its_space_and_change_nothing(task: Regression) -> None:
    for preset in catalogue.presets().values():
        rated = preset.for_task(task)
        of = SearchSpace.of(rated, recipes=rated.recipes, scores=True)
        for tuned, own in zip(of.applied(of.defaults()).recipes, rated.recipes, strict=True):
            assert tuned.model_dump(exclude={"encoder_lr"}) == own.model_dump(exclude={"encoder_lr"})


def test_bounds_surround_the_papers_settings_for_emotions_and_for_scores() -> None:
    preset = catalogue.preset("mfdr:full")
    for own, scores in ((preset, False), (preset.for_task(SCALES["sentiment"]), True)):
        found = SearchSpace.of(own, recipes=own.recipes, scores=scores).facts
        (recipe,) = own.recipes
        assert found["recipe.batch_size"]["choices"] == [
            recipe.batch_size // 2,
            recipe.batch_size,
            2 * recipe.batch_size,
        ]
        bounds = found["recipe.lr"]["low"], found["recipe.lr"]["high"]
        assert bounds == pytest.approx((recipe.lr / 10, recipe.lr * 10))


def test_settings_that_a_preset_fixes_are_never_tuned() -> None:
    seen = 0
    for preset in catalogue.presets().values():
        of = SearchSpace.of(preset, recipes=preset.recipes)
        for values in drawn(of, 5):
            tuned = of.applied(values)
            assert {key: tuned.config[key] for key in preset.config} == preset.config
            kept = {
                "policy",
                "encoders",
                "max_epochs",
                "patience_epochs",
                "monitor",
                "sampling",
                "schedule",
                "precision",
            }
            for after, before in zip(tuned.recipes, preset.recipes, strict=True):
                assert after.model_dump(include=kept) == before.model_dump(include=kept)
            seen += 1
    assert seen == 5 * len(catalogue.presets())


@pytest.mark.parametrize(
    ("variant", "tuned", "not_tuned"),
    [
        ("foal-net:mem", {"config.mem_weight", "config.temperature", "config.layers"}, set()),
        ("foal-net:baseline", {"config.layers"}, {"config.mem_weight", "config.temperature", "config.projection"}),
        ("foal-net:audio-only", {"config.projection"}, {"config.layers", "config.heads", "config.dropout"}),
        ("foal-net:as-released", {"partial.encoder_lr"}, {"config.mem_weight", "config.temperature"}),
        ("mfdr:full", {"config.window", "config.hop", "config.heads", "config.channels"}, set()),
        ("mfdr:window-10", {"config.hop"}, {"config.window"}),
        ("mfdr:full-size", {"config.heads"}, {"config.window", "config.hop"}),
        ("mfdr:gru", set(), {"config.heads"}),
        ("mfdr:no-dfc", set(), {"config.channels"}),
        ("gia-mic:no-mic", {"config.dropout"}, {"config.mic_weight"}),
        ("gia-mic:no-mir", {"config.dropout"}, {"config.mic_weight"}),
        ("context-mmt:ef-frozen", {"config.hidden"}, {"config.heads", "config.feedforward"}),
        ("context-mmt:mmt-finetuned", {"recipe.lr", "partial.lr"}, set()),
        ("layer-adapter-fusion:st-la", {"recipe.lr", "full.encoder_lr"}, set()),
        ("layer-adapter-fusion:c", {"recipe.lr"}, {"full.encoder_lr"}),
    ],
)
def test_only_settings_with_an_effect_are_tuned(variant: str, tuned: set[str], not_tuned: set[str]) -> None:
    (values,) = drawn(space(variant), 1)
    assert tuned <= values.keys()
    assert not (not_tuned & values.keys())


def test_each_stage_has_its_own_learning_rate_and_shares_the_rest() -> None:
    of = space("context-mmt:mmt-finetuned")
    values = of.defaults() | {"recipe.lr": 0.002, "partial.lr": 0.00002, "recipe.batch_size": 16}
    first, second = of.applied(values).recipes
    assert (first.lr, second.lr) == (0.002, 0.00002)
    assert first.batch_size == second.batch_size == 16


def test_a_setting_that_decides_the_features_is_refused() -> None:
    preset: Preset = catalogue.preset("context-mmt:mmt-frozen")
    of = SearchSpace(preset, preset.recipes, {"clip_s": Dimension(low=2.0, high=6.0)}, ({},))
    with pytest.raises(TuningError, match=r"with {'clip_s': 3.0} the model reads other features"):
        of.applied({"config.clip_s": 3.0})


def test_bounds_without_the_presets_own_value_are_refused() -> None:
    preset = catalogue.preset("context-mmt:mmt-frozen")
    of = SearchSpace(preset, preset.recipes, {"dropout": Dimension(low=0.6, high=0.7)}, ({},))
    with pytest.raises(TuningError, match=r"has config.dropout = 0.5, which is outside of .*widen the bounds"):
        of.defaults()

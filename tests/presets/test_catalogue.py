import csv
from importlib.resources import files

import pytest

from merflow.contracts.task import SCALES, Classification, Task
from merflow.errors import PresetError
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.presets.profiles import fitted, shipped_profile, shipped_profiles
from merflow.presets.user_presets import parse_user_presets


@pytest.mark.parametrize(
    ("model", "count"),
    [("context-mmt", 18), ("foal-net", 9), ("gia-mic", 14), ("layer-adapter-fusion", 19), ("mfdr", 11)],
)
def test_all_systems_of_a_papers_tables_are_presets(model: str, count: int) -> None:
    rows = csv.DictReader((files("merflow.presets") / "published.csv").read_text().splitlines())
    systems = {row["preset"] for row in rows if row["model"] == model and row["corpus"] == "iemocap4"}
    assert len(systems) == count
    named = {preset.name for preset in catalogue.presets().values() if preset.model == model and preset.published}
    unavailable = {variant.removeprefix(f"{model}:") for variant in catalogue.unavailable()}
    assert named == systems - unavailable


def test_rows_that_cannot_be_trained_are_named_with_the_reason() -> None:
    assert list(catalogue.unavailable()) == [
        f"foal-net:video-only-{network}" for network in ("emonet", "senet-fer2013", "resnet-fer2013")
    ]
    with pytest.raises(PresetError, match="'foal-net:video-only-emonet' cannot be trained: its face network is not"):
        catalogue.preset("foal-net:video-only-emonet")


def test_every_preset_has_its_published_numbers_and_a_valid_config() -> None:
    presets = catalogue.presets().values()
    assert {preset.model for preset in presets} == MODELS.keys()
    published = {table.model for table in catalogue.published_tables()}
    assert len(published) >= 5
    for preset in presets:
        if preset.model in published:
            assert bool(preset.published) == (preset.table not in ("public code", "ours"))
        streams = MODELS[preset.model].configure(preset.config).streams()
        assert {stream.role for stream in streams} <= shipped_profile("lite").roles.keys()


@pytest.mark.parametrize(
    ("variant", "lrs", "patience"),
    [
        ("gia-mic:full", [1e-4], 10),  # the model's file names a rate for frozen encoders
        ("gia-mic:t", [1e-5], 10),  # none of its encoders ever learns, so it keeps the paper's rate
        ("foal-net:full", [1e-4], 10),
        ("layer-adapter-fusion:t", [1e-4], None),
        ("context-mmt:mmt-finetuned", [1e-3], 5),  # its first stage alone
        ("context-mmt:mmt-frozen", [1e-3], 10),
    ],
)
def test_any_preset_can_be_trained_on_stored_features(variant: str, lrs: list[float], patience: int | None) -> None:
    preset = catalogue.preset(variant)
    stored = preset.on_stored_features()
    assert [recipe.policy for recipe in stored.recipes] == ["frozen"]
    assert [recipe.encoders for recipe in stored.recipes] == [{}]
    assert [recipe.lr for recipe in stored.recipes] == lrs
    assert stored.recipe.patience_epochs == patience
    assert stored.asked == preset.asked == preset.stages


def test_on_stored_features_a_profile_and_then_the_user_have_the_last_word() -> None:
    stored = catalogue.preset("gia-mic:full").on_stored_features()
    assert fitted(stored, shipped_profile("lite")).recipe.lr == 1e-3
    text = "presets: {gia-mic:mine: {base: gia-mic:full, stages: [{lr: 0.02, encoders: {speech: transformer}}]}}"
    mine = parse_user_presets(text, where="mine.yaml")["gia-mic:mine"]
    assert mine.asked == ("full",)
    for profile in ("lite", "tiny"):
        recipe = fitted(mine.on_stored_features(), shipped_profile(profile)).recipe
        assert (recipe.policy, recipe.encoders, recipe.lr) == ("frozen", {}, 0.02)


def test_features_are_standardized_on_lite_and_mosei() -> None:
    assert {name: shipped_profile(name).standardize for name in shipped_profiles()} == {
        "lite": True,
        "mosei": True,
        "paper": False,
        "tiny": False,
    }


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("context-mmt:mmt-frozn", "did you mean 'context-mmt:mmt-frozen'"),
        ("context-mmt", "write model:preset"),
        ("a:b:c", "write model:preset"),
    ],
)
def test_an_unknown_variant_names_the_nearest(variant: str, said: str) -> None:
    with pytest.raises(PresetError, match=said):
        catalogue.preset(variant)


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(PresetError, match="did you mean 'lite'"):
        shipped_profile("light")


def test_models_are_narrow_on_lite_and_have_their_papers_sizes_on_paper() -> None:
    full = catalogue.preset("gia-mic:full")
    assert fitted(full, shipped_profile("paper")) == full
    narrow = fitted(full, shipped_profile("lite"))
    assert narrow.config == {"dims": 96, "heads": 4, "feedforward": 192, **full.config}
    assert [recipe.lr for recipe in narrow.recipes] == [0.001]
    assert [recipe.lr for recipe in full.recipes] == [0.00001]
    assert fitted(catalogue.preset("mfdr:full"), shipped_profile("lite")).config == catalogue.preset("mfdr:full").config


def test_every_preset_is_valid_on_every_profile() -> None:
    seen = 0
    for name in shipped_profiles():
        for preset in catalogue.presets().values():
            sized = fitted(preset, shipped_profile(name))
            streams = MODELS[preset.model].configure(preset.config).streams()
            assert MODELS[preset.model].configure(sized.config).streams() == streams
            seen += 1
    assert seen == 4 * len(catalogue.presets())


@pytest.mark.parametrize("lr", [0.0003, 0.00001])  # the second is the paper's
def test_settings_of_a_users_preset_stay_on_every_profile(lr: float) -> None:
    stage = f"{{lr: {lr:.5f}}}"
    user_presets = parse_user_presets(
        f"presets: {{gia-mic:mine: {{base: gia-mic:full, config: {{dims: 256, heads: 8}}, stages: [{stage}]}}}}",
        where="mine.yaml",
    )
    sized = fitted(user_presets["gia-mic:mine"], shipped_profile("lite"))
    assert (sized.config["dims"], sized.config["heads"], sized.config["feedforward"]) == (256, 8, 192)
    assert sized.recipe.lr == lr


def test_settings_that_a_users_preset_leaves_open_are_the_profiles() -> None:
    user_presets = parse_user_presets(
        "presets: {gia-mic:mine: {base: gia-mic:full, stages: [{batch_size: 8}]}}", where="mine.yaml"
    )
    sized = fitted(user_presets["gia-mic:mine"], shipped_profile("lite"))
    assert (sized.config["dims"], sized.recipe.batch_size, sized.recipe.lr) == (96, 8, 0.001)


def test_an_unknown_profile_fits_nothing() -> None:
    with pytest.raises(PresetError, match="did you mean 'lite'"):
        fitted(catalogue.preset("gia-mic:full"), shipped_profile("light"))


def test_mfdr_learns_sentiment_as_its_paper_does() -> None:
    for preset in catalogue.presets().values():
        if preset.model == "mfdr":
            (recipe,) = preset.for_task(SCALES["sentiment"]).recipes
            assert (recipe.lr, recipe.batch_size, recipe.max_epochs) == (1e-3, 64, 20)
            assert (recipe.schedule, recipe.monitor, recipe.optimizer) == ("tenth-after-half", "dev_loss", "adam")


@pytest.mark.parametrize("profile", ["paper", "lite", "tiny"])
def test_every_preset_has_a_recipe_for_scores_on_every_profile(profile: str) -> None:
    for preset in catalogue.presets().values():
        on_profile = fitted(preset, shipped_profile(profile))
        assert on_profile.for_task(Classification(("happy", "sad"))) == on_profile
        for recipe in on_profile.for_task(SCALES["valence"]).recipes:
            assert recipe.sampling == "shuffle"
            assert recipe.monitor in ("dev_loss", "dev_mae")


def test_a_users_settings_override_those_for_scores() -> None:
    mine = parse_user_presets(
        "presets: {mfdr:mine: {base: mfdr:full, stages: [{lr: 0.01, monitor: dev_ccc}]}}", where="file"
    )["mfdr:mine"]
    recipe = fitted(mine, shipped_profile("lite")).for_task(SCALES["valence"]).recipe
    assert (recipe.lr, recipe.monitor, recipe.batch_size, recipe.max_epochs) == (0.01, "dev_ccc", 64, 20)


@pytest.mark.parametrize(
    ("setting", "task", "message"),
    [
        ("sampling: class-balanced", SCALES["valence"], "valence is a score without classes to balance; set"),
        (
            "monitor: dev_ua",
            SCALES["valence"],
            "task valence has no dev_ua; set monitor to dev_loss or dev_mae",
        ),
        (
            "monitor: dev_mae",
            Classification(("happy", "sad")),
            "task emotion has no dev_mae; set monitor to",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_the_task_is_refused(setting: str, task: Task, message: str) -> None:
    mine = parse_user_presets(f"presets: {{mfdr:mine: {{base: mfdr:full, stages: [{{{setting}}}]}}}}", where="file")
    with pytest.raises(PresetError, match=f"mfdr:mine: {message}"):
        mine["mfdr:mine"].for_task(task)

import csv
from importlib.resources import files

import pytest

from merflow.contracts.errors import PresetError
from merflow.models import MODELS
from merflow.presets import catalogue


def test_all_eighteen_systems_of_table_1_are_presets() -> None:
    rows = csv.DictReader((files("merflow.presets") / "published.csv").read_text().splitlines())
    systems = {row["preset"] for row in rows if row["model"] == "context-mmt" and row["table"] == "1"}
    assert len(systems) == 18
    assert {preset.name for preset in catalogue.presets().values() if preset.model == "context-mmt"} == systems


def test_every_preset_has_published_numbers_and_a_valid_config() -> None:
    presets = catalogue.presets().values()
    assert len(presets) == 18
    for preset in presets:
        assert preset.published.keys() >= {"WA", "UA"}
        streams = MODELS[preset.model].configure(preset.config).streams()
        assert {stream.role for stream in streams} <= catalogue.profile("lite").keys()


def test_the_five_fold_row_is_quoted_where_a_table_has_several_protocols() -> None:
    assert catalogue.preset("context-mmt:mmt-finetuned").published == {"WA": 80.36, "UA": 81.70}


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
        catalogue.profile("light")

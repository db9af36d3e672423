"""Tags of the runs of folds and variants."""

from merflow.contracts.planned_fold import Origin
from merflow.contracts.selection import NONE_PAPER
from merflow.tracking.fold_tags import variant_tags
from tests.contracts.records import SPLITS, planned_fold


def test_the_runs_of_a_tuned_preset_name_its_base_and_its_search() -> None:
    tuned = {"study": "night", "trial": 7, "published": "figures are those of mfdr:full"}
    tags = variant_tags(planned_fold(model="mfdr", preset="full-tuned", origin=Origin(base="mfdr:full", tuned=tuned)))
    assert tags["preset"] == "full-tuned"
    assert (tags["base"], tags["tuned_in_study"], tags["tuned_in_trial"]) == ("mfdr:full", "night", "7")
    assert not {"base", "tuned_in_study"} & variant_tags(planned_fold()).keys()


def test_a_fold_whose_epoch_was_chosen_on_test_data_is_tagged_as_not_promotable() -> None:
    honest, biased = variant_tags(planned_fold()), variant_tags(planned_fold(selection=NONE_PAPER))
    assert (honest["promotable"], biased["promotable"]) == ("true", "false")
    assert biased["selection"] == str(NONE_PAPER)


def test_runs_of_the_same_variant_on_two_tasks_can_be_told_apart() -> None:
    rated = planned_fold(classes=(), split_params=SPLITS.model_copy(update={"task": "valence"}))
    assert (variant_tags(planned_fold())["task"], variant_tags(rated)["task"]) == ("emotion", "valence")

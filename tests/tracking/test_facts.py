from tests.tracking.recorded import facts


def test_a_tuned_presets_runs_name_its_base_and_its_search() -> None:
    origin = {"base": "mfdr:full", "study": "night", "trial": 7, "published": "figures are those of mfdr:full"}
    tags = facts(variant="mfdr:full-tuned", origin=origin).tags
    assert tags["preset"] == "full-tuned"
    assert (tags["base"], tags["tuned_in_study"], tags["tuned_in_trial"]) == ("mfdr:full", "night", "7")
    assert not {"base", "tuned_in_study"} & facts().tags.keys()

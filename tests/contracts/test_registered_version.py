from merflow.contracts.registered_version import VersionFacts
from tests.promotion.packages import package


def test_facts_are_read_back_from_their_tags() -> None:
    facts = VersionFacts.of(package(kind="ensemble", promotable=False))
    tags = facts.tags()
    assert all(isinstance(value, str) for value in tags.values())
    assert (tags["merflow.kind"], tags["merflow.promotable"], tags["merflow.synthetic"]) == (
        "ensemble",
        "false",
        "true",
    )
    assert VersionFacts.read({**tags, "merflow.forced": "true", "other": "x"}) == facts
    for name in tags:
        assert VersionFacts.read({key: value for key, value in tags.items() if key != name}) is None
    assert VersionFacts.read({**tags, "merflow.kind": "something"}) is None


def test_two_packages_have_two_digests() -> None:
    assert VersionFacts.of(package()).package != VersionFacts.of(package(fold_epochs=(1, 2))).package

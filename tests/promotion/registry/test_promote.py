from collections.abc import Callable

import pytest

from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.promotion.registry.aliases import read_aliases
from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.promote import approve_version, preview_promotion, promote_version
from merflow.promotion.registry.registry import Registry, register_version
from merflow.promotion.registry.rollback import rollback
from merflow.promotion.registry.state import state_of
from merflow.promotion.registry.story import story
from tests.promotion.packages import package
from tests.promotion.registry.versions import REFUSED, YES, Verdict, logged_model, register, says

Make = Callable[[int], Registry]


def aliases(registry: Registry) -> dict[str, int]:
    return read_aliases(registry.connection, registry.name)


def test_a_registered_version_is_the_candidate_and_states_its_package(registered: Make) -> None:
    registry = registered(2)
    first, second = registry.version("1"), registry.version("candidate")
    assert (first.aliases, second.aliases, second.version) == ((), ("candidate",), 2)
    assert second.facts is not None
    assert (second.facts.variant, second.facts.kind, second.facts.synthetic) == ("mfdr:full", "refit", True)
    assert second.description == "A card"
    assert [each.version for each in registry.versions()] == [2, 1]


def test_promotions_move_three_aliases_and_rollbacks_move_them_back(registered: Make) -> None:
    registry = registered(3)
    assert promote_version(registry, "1", decide=YES).status == "promoted"
    assert aliases(registry) == {"champion": 1, "candidate": 3}
    assert promote_version(registry, "2", decide=YES).champion == registry.version("1").model_copy(
        update={"aliases": ("champion",)}
    )
    assert aliases(registry) == {"champion": 2, "previous": 1, "candidate": 3}
    assert promote_version(registry, decide=YES).version.version == 3
    assert aliases(registry) == {"champion": 3, "previous": 2}
    rollback(registry, reason="worse on the phone")
    assert aliases(registry) == {"champion": 2, "previous": 1}
    rollback(registry, reason="worse, too")
    assert aliases(registry) == {"champion": 1}
    with pytest.raises(RegistryError, match="has no previous champion to go back to"):
        rollback(registry, reason="once more")
    promote_version(registry, "3", decide=YES)
    assert aliases(registry) == {"champion": 3, "previous": 1}
    found = audit(registry)
    assert (found.problems, found.notes) == ((), ())
    assert [entry.number for entry in found.entries] == list(range(1, len(found.entries) + 1))


def test_the_champion_is_not_promoted_again(registered: Make) -> None:
    registry = registered(1)
    promote_version(registry, decide=YES)
    before = registry.trail.read()
    done = promote_version(registry, "champion", decide=YES)
    assert (done.status, done.sentences[0]) == ("unchanged", f"version 1 of {registry.name!r} is the champion already")
    assert registry.trail.read() == before


def test_a_refusal_is_recorded_and_moves_nothing(registered: Make) -> None:
    registry = registered(2)
    promote_version(registry, "1", decide=YES)
    before = aliases(registry)
    done = promote_version(registry, decide=says(REFUSED))
    assert (done.status, done.sentences) == ("refused", REFUSED.sentences)
    assert aliases(registry) == before
    last = state_of(registry.trail.read()).entries[-1]
    assert (last.action, last.version, last.why) == ("decide", 2, "2 checks failed. mend it")
    assert last.evidence is not None
    text = registry.connection.call("download_artifacts", registry.trail.run_id(), last.evidence.file)
    with open(text, encoding="utf-8") as stored:  # noqa: PTH123 - a path as MLflow returns it
        assert stored.read() == REFUSED.model_dump_json()


def test_a_preview_writes_nothing(registered: Make) -> None:
    registry = registered(2)
    promote_version(registry, "1", decide=YES)
    before = registry.trail.read()
    assert preview_promotion(registry, decide=says(REFUSED)).sentences == REFUSED.sentences
    assert registry.trail.read() == before


def test_a_forced_promotion_is_kept_for_ever(registered: Make) -> None:
    registry = registered(2)
    promote_version(registry, "1", decide=YES)
    forced = Verdict(passed=False, forced="the demo is today", verdict="2 promoted by force (the demo is today).")
    entry = promote_version(registry, decide=says(forced)).entry
    assert entry is not None
    assert entry.forced
    rollback(registry, reason="the demo is over")
    version = registry.version("2")
    assert version.forced
    assert [each.forced for each in story(registry, "2").entries if each.action == "promote"] == [True]


def test_a_decision_against_an_earlier_champion_does_not_count(registered: Make) -> None:
    registry = registered(3)
    promote_version(registry, "1", decide=YES)
    other = Registry(registry.connection, registry.name, who="ben")

    def slow(_candidate: RegisteredVersion, champion: RegisteredVersion | None) -> Verdict:
        assert champion is not None
        assert champion.version == 1
        promote_version(other, "2", decide=YES)
        return Verdict()

    with pytest.raises(RegistryError, match=r"was compared with version 1, but the champion is now version 2; run the"):
        promote_version(registry, "3", decide=slow)
    assert aliases(registry) == {"champion": 2, "previous": 1, "candidate": 3}


def test_an_approval_is_of_one_version_and_one_decision(registered: Make) -> None:
    registry = registered(2)
    with pytest.raises(RegistryError, match="there is none against the present champion; run `merflow"):
        approve_version(registry, reason="looks fine")
    waiting = promote_version(registry, decide=YES, require_approval=True)
    assert (waiting.status, aliases(registry)) == ("waiting", {"candidate": 2})
    assert "merflow registry approve 2 --by NAME" in waiting.sentences[-1]
    # The same decision waits on; it is not taken again.
    again = promote_version(registry, decide=says(REFUSED), require_approval=True)
    assert (again.status, again.decision) == ("waiting", waiting.decision)
    approve_version(Registry(registry.connection, registry.name, who="carla"), reason="I read the card")
    # The approval is of version 2 against no champion: not of version 1, and of nothing once there is a champion.
    assert promote_version(registry, "1", decide=YES, require_approval=True).status == "waiting"
    promote_version(registry, "1", decide=YES)
    assert promote_version(registry, "2", decide=YES, require_approval=True).status == "waiting"
    approve_version(Registry(registry.connection, registry.name, who="carla"), reason="better than 1")
    done = promote_version(registry, "2", decide=says(REFUSED), require_approval=True)
    assert (done.status, aliases(registry)) == ("promoted", {"champion": 2, "previous": 1})
    assert done.entry is not None
    assert done.entry.why.endswith("Approved by carla (entry 11): better than 1")


def test_a_refused_version_cannot_be_approved(registered: Make) -> None:
    registry = registered(1)
    promote_version(registry, decide=says(REFUSED))
    with pytest.raises(RegistryError, match="the last one refused it"):
        approve_version(registry, reason="never mind")


@pytest.mark.parametrize("reason", ["", "  "])
def test_reasons_are_needed(registered: Make, reason: str) -> None:
    registry = registered(1)
    for act in (approve_version, rollback):
        with pytest.raises(RegistryError, match="give --reason TEXT"):
            act(registry, reason=reason)


def test_a_reason_that_mlflow_would_cut_off_is_refused(registered: Make) -> None:
    registry = registered(2)
    for version in ("1", "2"):
        promote_version(registry, version, decide=YES)
    with pytest.raises(RegistryError, match="shorten the reason"):
        rollback(registry, reason="x" * 6000)
    assert aliases(registry)["champion"] == 2


def test_unknown_names_versions_and_aliases_are_reported_with_the_nearest_name(registered: Make) -> None:
    registry = registered(2)
    for text, said in {
        "7": r"no version 7 of .*; it has 2, 1",
        "champion": "has the alias 'champion'; see `merflow registry list`",
        "champoin": "did you mean 'champion'",
        "v3": "give a version's number",
    }.items():
        with pytest.raises(RegistryError, match=said):
            promote_version(registry, text, decide=YES)
    with pytest.raises(RegistryError, match=f"no registered model '{registry.name}s' in MLflow .*did you mean"):
        Registry(registry.connection, f"{registry.name}s").versions()


def test_a_version_whose_files_are_gone_is_neither_promoted_nor_rolled_back_to(
    registered: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    registry, folder = registered(1), tmp_path_factory.mktemp("lost")
    lost = register(registry, logged_model(registry.connection.uri, folder, experiment=folder.name))
    promote_version(registry, str(lost), decide=YES)
    promote_version(registry, "1", decide=YES)
    for path in (folder / "artifacts").rglob("MLmodel"):
        path.unlink()
    for act in (
        lambda: rollback(registry, reason="1 is worse"),
        lambda: promote_version(registry, str(lost), decide=YES),
    ):
        with pytest.raises(RegistryError, match=f"version {lost} of .* has no files: MLflow lists no MLmodel at"):
            act()
    assert aliases(registry) == {"champion": 1, "previous": lost}
    assert not story(registry, str(lost)).has_files


def test_a_version_without_a_card_says_so(registered: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    registry, folder = registered(1), tmp_path_factory.mktemp("bare")
    bare = register(registry, logged_model(registry.connection.uri, folder, card=False, experiment=folder.name))
    assert story(registry, "1").card == "artifacts/package/card.md"
    told = story(registry, str(bare))
    assert (told.card, told.has_files, told.figures) == (None, True, {"test_UA": 0.61})


def test_a_version_that_merflow_did_not_register_is_not_promoted(registered: Make, model: tuple[str, str]) -> None:
    registry = registered(1)
    registry.connection.call("create_model_version", registry.name, source="s3://elsewhere", run_id=model[1])
    with pytest.raises(RegistryError, match=r"version 2 of .* was not registered by merflow"):
        promote_version(registry, "2", decide=YES)
    assert audit(registry).notes == ("version 2 was registered without merflow, or its registration was interrupted",)
    assert [each.facts is None for each in registry.versions()] == [True, False]


def test_registering_again_after_a_deleted_version_continues(registered: Make, model: tuple[str, str]) -> None:
    registry = registered(2)
    for version in ("1", "2"):
        promote_version(registry, version, decide=YES)
    registry.connection.call("delete_model_version", registry.name, "1")
    third = register_version(
        registry.connection, registry.name, model_uri=model[0], run_id=model[1], package=package(), description=""
    )
    assert aliases(registry) == {"champion": 2, "candidate": third}
    with pytest.raises(RegistryError, match="no previous champion"):
        rollback(registry, reason="to 1")
    notices = [entry for entry in audit(registry).entries if entry.action == "notice"]
    assert [(move.alias, move.before, move.after) for move in notices[0].moves] == [("previous", 1, None)]

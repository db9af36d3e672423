"""The gate on versions of a registry; only the loading of models is replaced, for no model is trained here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.gate_decision import GateDecision
from merflow.errors import ModelError, ParamsError, RegistryError
from merflow.inference.media_clips import Clip
from merflow.jobs.promote import promote
from merflow.promotion.costs import Predict
from merflow.promotion.registry.aliases import read_aliases
from merflow.promotion.registry.promote import promote_version
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.story import story
from merflow.tracking.connection import Connection
from tests.promotion.registry.versions import YES, logged_model, register


@dataclass(frozen=True)
class Uniform:
    """A loader of a model that knows nothing.

    Attributes:
        broken: Number of a version that cannot be loaded; empty for none.
    """

    broken: str = ""

    def __call__(self, folder: Path) -> Predict:
        if self.broken in folder.parts:
            raise ModelError("its encoder is gone; restore it")

        def predict(clips: Sequence[Clip]) -> np.ndarray:
            return np.full((len(clips), 4), 0.25)

        return predict


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return a registry with a fair model, a better one and another."""
    folder = tmp_path_factory.mktemp("promote")
    found = Registry(Connection(f"sqlite:///{folder / 'mlflow.db'}"), who="anna")
    for name, skill in {"fair": 1.0, "better": 1.6, "other": 1.0}.items():
        register(found, logged_model(found.connection.uri, folder / name, skill=skill, experiment=name))
    return found


def test_a_better_candidate_takes_the_place_of_the_champion(registry: Registry) -> None:
    promote_version(registry, "1", decide=YES)
    done = promote(registry, "2", load=Uniform())
    assert (done.status, done.champion and done.champion.version) == ("promoted", 1)
    assert done.sentences[0].startswith("mfdr:full is promoted: all ")
    assert read_aliases(registry.connection, registry.name) == {"champion": 2, "previous": 1, "candidate": 3}
    (entry,) = [each for each in story(registry, "2").entries if each.action == "promote" and each.version == 2]
    assert entry.evidence is not None
    stored = registry.connection.call("download_artifacts", registry.trail.run_id(), entry.evidence.file)
    decision = GateDecision.model_validate_json(Path(stored).read_text())
    assert decision.champion is not None
    assert (decision.candidate.version, decision.champion.version, decision.by) == ("2", "1", "anna")
    assert any(check.name.startswith("latency") and check.passed for check in decision.checks)


def test_a_planted_pickle_and_a_wrong_policy_are_refused(registry: Registry, tmp_path: Path) -> None:
    planted = logged_model(registry.connection.uri, tmp_path / "planted", pickled=True, experiment="planted")
    number = register(registry, planted)
    with pytest.raises(ModelError, match="pickle"):
        promote(registry, str(number), load=Uniform())
    (tmp_path / "policy.yaml").write_text("accurcy: 1\n")
    with pytest.raises(ParamsError, match="accurcy"):
        promote(registry, "2", policy=tmp_path / "policy.yaml", load=Uniform())


def test_a_dry_run_says_what_is_wrong_and_writes_nothing(registry: Registry) -> None:
    """Even of a model that does not load, as here."""
    before = registry.trail.read()
    done = promote(registry, "3", mode="dry-run")
    assert (done.status, registry.trail.read()) == ("dry-run", before)
    assert done.sentences[0].startswith("mfdr:full would be refused")
    assert any("smoke" in sentence for sentence in done.sentences)


def test_a_champion_that_does_not_load_gives_way_by_force_alone(registry: Registry) -> None:
    """The last of the file, for it makes the weakest model the champion."""
    load = Uniform(broken="2")
    done = promote(registry, "3", load=load)
    assert done.status == "refused"
    assert any("The champion's costs were" in sentence for sentence in done.sentences)
    assert promote(registry, "3", forced="The champion's encoder is lost.", load=load).status == "promoted"
    assert read_aliases(registry.connection, registry.name)["champion"] == 3


def test_a_champion_whose_files_are_gone_gives_way_by_force_alone(registry: Registry, tmp_path: Path) -> None:
    champion = registry.version("champion")
    location = str(registry.connection.call("get_model_version_download_uri", champion.name, str(champion.version)))
    Path(location.removeprefix("file://")).rename(tmp_path / "gone")
    with pytest.raises(RegistryError, match=r"has no files: .*; or promote with --force --reason"):
        promote(registry, "1", load=Uniform())
    assert promote(registry, "1", forced="Its files are lost.", load=Uniform()).status == "promoted"

"""Evidence from package folders: whole, bare, damaged and changed ones."""

import json
from pathlib import Path

import pytest

from merflow.contracts.calibration_record import CALIBRATION
from merflow.contracts.costs import COSTS
from merflow.contracts.model_package import CARD_MD, PREDICTIONS_FILE, UTTERANCES_FILE, read_package, write_package
from merflow.contracts.stress_results import STRESS
from merflow.contracts.use_exception import UseException, write_exception
from merflow.errors import FormatError, ModelError
from merflow.promotion.gate.evidence import read_evidence
from merflow.promotion.gate.gate import decide, policy_of
from tests.promotion import packages


def test_a_whole_package_passes_the_gate(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "candidate", skill=1.5, chance=1)
    champion = packages.write_folder(tmp_path / "champion", skill=0.4, chance=2)

    decision = decide(read_evidence(folder), read_evidence(champion), policy_of(), mode="enforce", at="now", by="ada")

    assert decision.promoted, decision.sentences
    assert decision.candidate.digest != decision.champion.digest if decision.champion else False


def test_a_bare_package_fails_each_check_with_a_reason(tmp_path: Path) -> None:
    found = read_evidence(packages.write_folder(tmp_path / "package", whole=False))

    assert (found.calibration, found.stress, found.costs, found.smoke_test) == (None, None, None, None)
    assert (found.has_card, found.use_exception) == (False, None)
    decision = decide(found, None, policy_of(), mode="enforce", at="now", by="ada")
    assert {check.name for check in decision.failed} == {
        "smoke test",
        "model card",
        "calibration",
        "stress suite",
        "costs",
    }
    assert decision.verdict == "mfdr:full is refused: 5 of 10 checks failed."


def test_the_exception_and_half_a_card(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    exception = UseException(use="workplace", ground="safety", reason="fatigue of drivers of heavy loads", by="ada")
    before = read_evidence(folder).digest
    write_exception(folder, exception)
    (folder / CARD_MD).unlink()

    found = read_evidence(folder)

    assert found.use_exception == exception
    assert not found.has_card
    assert found.digest != before


@pytest.mark.parametrize("name", [CALIBRATION, STRESS, COSTS])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    folder = packages.write_folder(tmp_path / "package")
    values = json.loads((folder / name).read_text())
    values["unheard_of"] = 1
    (folder / name).write_text(json.dumps(values))

    with pytest.raises((FormatError, ModelError), match=name):
        read_evidence(folder)


def test_changed_evidence_is_refused(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    better = packages.write_folder(tmp_path / "better", skill=3.0)
    (folder / PREDICTIONS_FILE).write_bytes((better / PREDICTIONS_FILE).read_bytes())

    with pytest.raises(ModelError, match=r"predictions\.parquet was changed"):
        read_evidence(folder)


def test_missing_evidence_is_refused(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    (folder / UTTERANCES_FILE).unlink()

    with pytest.raises(ModelError, match=r"no such file: .*utterances\.parquet"):
        read_evidence(folder)
    write_package(folder, read_package(folder).model_copy(update={"files": {}}))
    with pytest.raises(ModelError, match=r"no such file: .*utterances\.parquet"):
        read_evidence(folder)


def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a model package"):
        read_evidence(tmp_path)

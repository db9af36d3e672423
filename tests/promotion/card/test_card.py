"""The model card: its text, the origin of its figures, and the agreement of its two formats."""

import re
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.calibration_record import CALIBRATION
from merflow.contracts.model_package import CARD_HTML, CARD_MD, PREDICTIONS_FILE, Lineage, Validation
from merflow.contracts.numerals import percent
from merflow.contracts.stress_results import STRESS, SkippedCondition, write_stress
from merflow.contracts.use_exception import UseException, write_exception
from merflow.errors import ModelError
from merflow.promotion.card.facts import measured
from merflow.promotion.card.page import write_card
from merflow.promotion.gate.evidence import read_evidence
from tests.promotion import drawn_predictions, packages
from tests.promotion.card.written_cards import Page, cards


def test_both_forms_show_the_same_figures(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    md, text = cards(folder)
    found = measured(read_evidence(folder))

    for card in (md, text):
        for score in found.scores:
            assert score.value in card
            assert score.interval in card
        for kind in ("emotion", "gender", "session", "speaker"):
            assert kind.capitalize() in card
            for group in found.groups[kind]:
                assert percent(group.ua) in card
        for count in found.confusion.ravel().tolist():
            assert str(count) in card
    assert {kind: len(groups) for kind, groups in found.groups.items()} == {
        "emotion": 4,
        "gender": 2,
        "session": 5,
        "speaker": 10,
    }


def test_the_figures_are_those_of_the_predictions(tmp_path: Path) -> None:
    evidence = read_evidence(packages.write_folder(tmp_path / "package"))
    found, rows = measured(evidence), evidence.predictions
    predicted = np.array(drawn_predictions.CLASSES)[np.stack(rows["probabilities"].tolist()).argmax(axis=1)]
    right = predicted == rows["label"].to_numpy()

    recalls = [right[rows["label"] == name].mean() for name in drawn_predictions.CLASSES]
    assert found.scores[0].value == percent(float(np.mean(recalls)))
    assert found.scores[1].value == percent(float(right.mean()))
    assert [percent(group.ua) for group in found.groups["emotion"]] == [percent(float(value)) for value in recalls]
    gender = evidence.utterances.set_index("utterance_id")["gender"].reindex(rows["utterance_id"]).to_numpy()
    of_f = [right[(gender == "F") & (rows["label"] == name)].mean() for name in drawn_predictions.CLASSES]
    assert found.groups["gender"][0].ua == pytest.approx(np.mean(of_f))
    assert (found.utterances, found.dialogues, found.folds, found.seeds) == (800, 40, 5, 1)


def test_a_refit_has_no_figure_of_its_own(tmp_path: Path) -> None:
    for card in cards(packages.write_folder(tmp_path / "package", kind="refit")):
        before, after = card.split("These are figures of the procedure", maxsplit=1)
        assert "it has no test figure of its own" in after
        assert not re.search(r"\d+\.\d%", before), "a figure before the sentence that says whose it is"
        assert "trained on all data for 7 epochs" in before


def test_nor_has_an_ensemble(tmp_path: Path) -> None:
    for card in cards(packages.write_folder(tmp_path / "package", kind="ensemble")):
        assert "the ensemble has no test figure of its own" in card
        assert "mean of 5 fold models" in card


def test_synthetic_data_are_named_in_the_first_line_and_real_ones_are_not(tmp_path: Path) -> None:
    md, text = cards(packages.write_folder(tmp_path / "made-up"))
    assert md.startswith("> **Synthetic data: ")
    assert text.removeprefix("Model card: mfdr:full ").startswith("Synthetic data: ")

    md, text = cards(packages.write_folder(tmp_path / "real", synthetic=False))
    assert md.startswith("# Model card: mfdr:full")
    assert "ynthetic" not in md + text


def test_uses_and_lineage(tmp_path: Path) -> None:
    for card in cards(packages.write_folder(tmp_path / "package")):
        assert "Article 5(1)(f)" in card
        assert "At work and in education" in card
        assert "No exception is recorded" in card
        assert "22" * 8 in card
        assert "33" * 20 in card
        assert "SBOM" in card
        assert "unknown" in card
        assert "hashed words" in card
        assert "ef" * 32 in card


def test_a_recorded_exception_is_on_the_card(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    reason = "fatigue of drivers of heavy loads"
    write_exception(folder, UseException(use="workplace", ground="safety", reason=reason, by="ada"))

    for card in cards(folder):
        assert reason in card
        assert "No exception is recorded" not in card


def test_what_the_stress_suite_found(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    for card in cards(folder):
        assert "1 of 5 conditions and 0 of 2 groups failed" in card
        assert "In the stress suite it failed: noise-10dB." in card


def test_conditions_that_were_not_tested(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    skipped = (SkippedCondition(name="codec-opus", reason="PyAV is not installed"),)
    write_stress(folder, packages.stress(skipped=skipped))
    for card in cards(folder):
        assert "Not tested: codec-opus (PyAV is not installed)" in card


def test_a_bare_package_says_what_it_lacks(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package", whole=False, validation=None, transcripts=None)
    assert not (folder / CALIBRATION).exists()
    assert not (folder / STRESS).exists()
    for card in cards(folder):
        assert "The package has no calibration" in card
        assert "The stress suite was not run" in card
        assert "unknown" in card
    assert read_evidence(folder).has_card


def test_groups_that_are_clearly_weaker_are_limits(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package", weak={"F": 2.5})
    for card in cards(folder):
        assert re.search(
            r"The UA of gender F is \d+\.\d%, that of M \d+\.\d%, and their intervals do not overlap", card
        )


def test_a_corpus_without_genders(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package", without="gender")

    assert "Gender" not in cards(folder)[0].split("## Confusion")[0]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    hostile = "<script>alert('x')</script> | a"
    lineage = Lineage.model_validate(packages.package().lineage.model_dump() | {"corpus": hostile})
    folder = packages.write_folder(
        tmp_path / "package",
        lineage=lineage,
        data_licence=hostile,
        validation=Validation(passed=False, checks=3, failed=(hostile,)),
    )
    md, text = cards(folder)

    assert "<script" not in (folder / CARD_HTML).read_text(encoding="utf-8")
    assert hostile in text
    tables = [line for line in md.splitlines() if line.startswith("|")]
    assert tables
    assert not any("<script" in line for line in tables)


def test_the_page_needs_nothing_next_to_it(tmp_path: Path) -> None:
    html = write_card(packages.write_folder(tmp_path / "package"))[1].read_text(encoding="utf-8")
    page = Page(html)

    assert page.links
    assert all(link == "data:," or link.removeprefix("#") in page.ids for link in page.links)
    assert "<script" not in html
    assert len(html) < 100_000


def test_the_tables_of_the_markdown_are_whole(tmp_path: Path) -> None:
    md = cards(packages.write_folder(tmp_path / "package"))[0]
    blocks = [block.splitlines() for block in re.split(r"\n\s*\n", md) if block.lstrip().startswith("|")]

    assert len(blocks) == 10
    for lines in blocks:
        assert len(lines) > 2
        assert len({line.count("|") for line in lines}) == 1


def test_the_same_package_has_the_same_card(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package")
    first = [path.read_bytes() for path in write_card(folder)]

    assert [path.read_bytes() for path in write_card(folder)] == first


def test_a_package_without_predictions_gets_no_card(tmp_path: Path) -> None:
    folder = packages.write_folder(tmp_path / "package", whole=False)
    (folder / PREDICTIONS_FILE).unlink()

    with pytest.raises(ModelError, match=r"predictions\.parquet"):
        write_card(folder)
    assert not (folder / CARD_MD).exists()

"""The model card of a model of scores: its figures, floors, groups, errors and intervals, in both forms."""

import re
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.model_package import CARD_HTML
from merflow.contracts.numerals import decimal, decimal_interval, percent
from merflow.contracts.stress_results import SkippedCondition, write_stress
from merflow.promotion.card.score_facts import measured_scores
from merflow.promotion.gate.evidence import read_evidence
from tests.promotion import drawn_predictions, score_packages
from tests.promotion.card.written_cards import Page, cards
from tests.promotion.score_packages import TASK


def test_both_forms_show_the_same_figures(tmp_path: Path) -> None:
    folder = score_packages.write_folder(tmp_path / "package")
    found = measured_scores(read_evidence(folder), TASK)
    assert [score.name for score in found.scores[:4]] == ["MAE", "CCC", "Pearson", "ACC7"]
    assert {score.name.partition(" ")[0] for score in found.scores[4:]} == {"ACC2", "F1"}
    assert {kind: len(groups) for kind, groups in found.groups.items()} == {
        "session": 5,
        "speaker": 10,
        "gender": 2,
        "length": 4,
        "truth": 7,
    }
    for card in cards(folder):
        for score in found.scores:
            assert score.interval
            for text in (score.value, score.interval, score.floor, score.note):
                assert text in card
        for groups in found.groups.values():
            for group in groups:
                assert decimal(group.mae) in card
                assert decimal_interval(group.ci95) in card


def test_the_figures_are_those_of_the_predictions(tmp_path: Path) -> None:
    evidence = read_evidence(score_packages.write_folder(tmp_path / "package"))
    found, rows = measured_scores(evidence, TASK), evidence.predictions
    errors = np.abs(rows["score"] - rows["label"])
    assert found.scores[0].value == decimal(errors.mean())
    assert found.scores[0].floor == decimal(np.abs(rows["label"] - rows["label"].median()).mean())
    steps = rows["label"].clip(-3, 3).round()
    assert found.scores[3].floor == f"{percent(float(steps.value_counts(normalize=True).max()))}%"
    gender = evidence.utterances.set_index("utterance_id")["gender"].reindex(rows["utterance_id"]).to_numpy()
    assert found.groups["gender"][0].mae == pytest.approx(errors[gender == "F"].mean())
    assert (found.utterances, found.dialogues, found.folds, found.seeds) == (800, 40, 5, 1)


def test_a_scale_without_zero_has_no_binary_figures(tmp_path: Path) -> None:
    shifted = score_packages.predicted()
    for column in ("label", "score"):
        shifted[column] = 3 + shifted[column] * 2 / 3
    folder = score_packages.write_folder(tmp_path / "package", whole=False, drawn=shifted, task="valence", scale=(1, 5))
    for card in cards(folder):
        assert "its valence, a number from 1 to 5" in card
        assert "ACC2" not in card
        assert "The package has no calibration: its scores come without intervals." in card


def test_intervals_and_uses(tmp_path: Path) -> None:
    for card in cards(score_packages.write_folder(tmp_path / "package")):
        assert "built to contain the true score 90.0% of the time" in card
        assert "abstains if the interval contains the middle of the scale, 0" in card
        assert "1.900" in card
        assert "97.0" in card
        assert "its sentiment, a number from \N{MINUS SIGN}3 to 3" in card
        assert "Its answer is the sentiment that listeners would probably give" in card
        assert "Article 5(1)(f)" in card
        assert "it has no test figure of its own" in card
        assert "The stress suite was not run" in card
        assert "emotions:" not in card


def test_what_the_stress_suite_found(tmp_path: Path) -> None:
    folder = score_packages.write_folder(tmp_path / "package")
    skipped = (SkippedCondition(name="codec-opus", reason="PyAV is not installed"),)
    write_stress(folder, score_packages.stress(failed=("noise-10dB", "gender M"), skipped=skipped))
    for card in cards(folder):
        assert "unchanged CCC 0.610 and MAE 0.700" in card
        assert "1 of 5 conditions and 1 of 2 groups failed" in card
        assert "In the stress suite it failed: noise-10dB, gender M." in card
        assert "gender M (+0.200 in MAE)" in card
        assert "Not tested: codec-opus (PyAV is not installed)" in card


def test_groups_with_clearly_larger_errors_are_limits(tmp_path: Path) -> None:
    folder = score_packages.write_folder(tmp_path / "package", drawn=score_packages.predicted(weak={"F": 0.6}))
    for card in cards(folder):
        assert re.search(r"The MAE of gender F is \d\.\d+, that of M \d\.\d+, and their intervals do not overlap", card)


def test_many_speakers_are_left_out() -> None:
    frame = drawn_predictions.utterances().assign(speaker=lambda rows: rows["dialogue_id"])
    evidence = score_packages.evidence(utterances=frame)
    assert "speaker" not in measured_scores(evidence, TASK).groups


def test_the_page_and_its_tables_are_whole(tmp_path: Path) -> None:
    folder = score_packages.write_folder(tmp_path / "package")
    md, _ = cards(folder)
    blocks = [block.splitlines() for block in re.split(r"\n\s*\n", md) if block.lstrip().startswith("|")]
    assert len(blocks) == 9
    for lines in blocks:
        assert len(lines) > 2
        assert len({line.count("|") for line in lines}) == 1
    html = (folder / CARD_HTML).read_text(encoding="utf-8")
    page = Page(html)
    assert all(link == "data:," or link.removeprefix("#") in page.ids for link in page.links)
    assert "<script" not in html
    assert 'role="img"' in html

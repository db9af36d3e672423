"""The page of the suite for scores: its words and its places."""

import re
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.numerals import MINUS
from merflow.contracts.stress_checks import ScoreConditionResult, ScoreGroupResult
from merflow.contracts.stress_results import ScoreStressResults, read_stress, write_stress
from merflow.stress.page.page import write_page
from merflow.stress.page.plots import drops_plot, group_plots, shift_plot
from merflow.stress.page.verdict import stress_verdict
from tools.report_screenshots import CHROMIUM, DESKTOP, PHONE, browser, open_page


def condition(name: str, family: str, delta_ccc: float, shift: float, unchanged: float = 0.9) -> ScoreConditionResult:
    return ScoreConditionResult(
        name=name,
        family=family,
        description=f"something <{name}>",
        utterances=400,
        ci95=(delta_ccc - 0.04, delta_ccc + 0.04),
        unchanged=unchanged,
        allowed_drop=0.1,
        min_unchanged=0.75,
        passed=delta_ccc >= -0.1 and unchanged >= 0.75,
        ccc=0.6 + delta_ccc,
        delta_ccc=delta_ccc,
        mae=0.7 - delta_ccc,
        delta_mae=-delta_ccc,
        mae_ci95=(-delta_ccc - 0.03, -delta_ccc + 0.03),
        shift=shift,
        shift_quartiles=(shift - 0.3, shift, shift + 0.2),
    )


def group(by: str, name: str, delta_mae: float | None) -> ScoreGroupResult:
    return ScoreGroupResult(
        by=by,
        group=name,
        utterances=200,
        ci95=None if delta_mae is None else (delta_mae - 0.1, delta_mae + 0.1),
        allowed_gap=0.15,
        passed=delta_mae is None or delta_mae <= 0.15,
        mae=0.7,
        delta_mae=delta_mae,
    )


CONDITIONS = (
    condition("telephone", "telephone", -0.05, -0.2),
    condition("noise-20dB", "noise", -0.02, 0.0),
    condition("noise-10dB", "noise", -0.14, -0.4),
    condition("noise-0dB", "noise", -0.4, -0.9, 0.3),
    condition("codec-opus", "codec", 0.0, 0.1, 0.5),
)
GROUPS = (group("gender", "F", -0.1), group("gender", "M", 0.1), group("length", "under 2.0 s", 0.3))


def results(**changes: Any) -> ScoreStressResults:  # noqa: ANN401
    values: dict[str, Any] = {
        "variant": "mfdr:full",
        "corpus": "mosei",
        "synthetic": False,
        "split_id": "fedcba9876543210",
        "suite": "0123456789abcdef",
        "seed": 0,
        "utterances": 400,
        "conditions": CONDITIONS,
        "groups": GROUPS,
        "skipped": (),
        "task": "sentiment",
        "low": -3.0,
        "high": 3.0,
        "ccc": 0.6,
        "mae": 0.7,
    }
    return ScoreStressResults(**{**values, **changes})


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_stress(tmp_path, results())
    assert read_stress(tmp_path) == results()
    assert results().failed == ("noise-10dB", "noise-0dB", "codec-opus", "length under 2.0 s")


def test_the_verdict_speaks_of_scores() -> None:
    verdict = stress_verdict(results())
    assert verdict.headline == "mfdr:full bears 2 of 5 conditions and is worse for 1 group"
    assert verdict.sentences == (
        "CCC is 0.600 and MAE 0.700 on 400 test utterances as they are.",
        "Under codec-opus (something <codec-opus>), 50.0% of scores stay the same within half a step (75.0% are "
        "needed).",
        "Under noise-10dB (something <noise-10dB>), CCC falls by 0.140 (0.100 is allowed).",
        "MAE is higher than that of the others, beyond chance, for length under 2.0 s (+0.300; 0.150 is allowed).",
    )


def test_dots_stand_on_the_side_of_the_limit_that_the_words_say() -> None:
    drops = drops_plot(results())
    assert [row.at < (row.limit or 0) for row in drops.rows] == [False, False, True, True, False]
    assert not drops.left_passes
    plots = group_plots(results())
    assert [plot.title for plot in plots] == ["By gender", "By length"]
    assert all(plot.left_passes for plot in plots)
    assert [row.at > (row.limit or 0) for plot in plots for row in plot.rows] == [False, False, True]
    shifts = shift_plot(results())
    assert {row.limit for row in shifts.rows} == {None}
    assert shifts.zero is not None
    assert [row.at < shifts.zero for row in shifts.rows] == [True, False, True, True, False]
    assert all(row.low is not None and row.low < row.at for row in shifts.rows)


def test_the_page_needs_nothing_and_has_every_number(tmp_path: Path) -> None:
    page = write_page(results(), tmp_path / "stress.html", command="merflow stress runs/demo mfdr:full").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    for figure in (f"{MINUS}0.140", f"{MINUS}0.180 to {MINUS}0.100", "+0.140", f"{MINUS}0.900", "50.0", "+0.300"):
        assert figure in page, figure
    assert "Change of CCC" in page
    assert 'id="shifts"' in page
    assert "half a step of the scale (0.5)" in page
    for word in ("UA", "emotion", "percentage point"):
        assert word not in re.sub(r"(?s)<style>.*?</style>|data:[^\"]+", "", page), word
    bare = write_page(results(conditions=(), groups=()), tmp_path / "bare.html", command="merflow stress").read_text()
    assert 'id="shifts"' not in bare


@pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"Debian's chromium is not installed ({CHROMIUM})")
def test_nothing_sticks_out_on_a_phone_or_a_desktop(tmp_path: Path) -> None:
    write_page(results(), tmp_path / "stress.html", command="merflow stress runs/demo mfdr:full")
    with browser() as opened:
        for width in (DESKTOP, PHONE):
            with open_page(opened, (tmp_path / "stress.html").as_uri(), width=width) as page:
                assert page.evaluate("document.documentElement.scrollWidth") == width
                dot = page.locator("#groups li.fails .dot").first.bounding_box()
                zone = page.locator("#groups li.fails .zone").first.bounding_box()
                assert dot is not None
                assert zone is not None
                assert dot["x"] + dot["width"] / 2 > zone["x"] + zone["width"], "a failed dot is outside of the zone"

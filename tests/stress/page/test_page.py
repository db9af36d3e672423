"""The page of the suite: its words, its places, and how it opens in a browser."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merflow.contracts.numerals import MINUS
from merflow.contracts.stress_checks import ConditionResult, GroupResult
from merflow.contracts.stress_results import SkippedCondition, StressResults, read_stress, write_stress
from merflow.errors import FormatError, ModelError
from merflow.storage.local import read_json, write_json
from merflow.stress.page.page import write_page
from merflow.stress.page.plots import drops_plot, group_plots, unchanged_plot
from merflow.stress.page.verdict import failed_first, stress_verdict
from tools.report_screenshots import CHROMIUM, DESKTOP, PHONE, browser, open_page


def condition(name: str, family: str, delta_ua: float, unchanged: float = 0.9, **changes: Any) -> ConditionResult:  # noqa: ANN401
    values: dict[str, Any] = {
        "name": name,
        "family": family,
        "description": f"something <{name}>",
        "utterances": 400,
        "ua": 0.6 + delta_ua,
        "delta_ua": delta_ua,
        "ci95": (delta_ua - 0.04, delta_ua + 0.04),
        "unchanged": unchanged,
        "allowed_drop": 0.1,
        "min_unchanged": 0.75,
        "passed": delta_ua >= -0.1 and unchanged >= 0.75,
    }
    return ConditionResult(**{**values, **changes})


def group(by: str, name: str, delta_ua: float | None, **changes: Any) -> GroupResult:  # noqa: ANN401
    values: dict[str, Any] = {
        "by": by,
        "group": name,
        "utterances": 200,
        "ua": 0.6,
        "delta_ua": delta_ua,
        "ci95": None if delta_ua is None else (delta_ua - 0.05, delta_ua + 0.05),
        "allowed_gap": 0.08,
        "passed": delta_ua is None or delta_ua >= -0.08,
    }
    return GroupResult(**{**values, **changes})


CONDITIONS = (
    condition("telephone", "telephone", -0.05),
    condition("noise-20dB", "noise", -0.02),
    condition("noise-10dB", "noise", -0.14),
    condition("noise-0dB", "noise", -0.4, 0.3),
    condition("codec-opus", "codec", 0.0, 0.5),
)
GROUPS = (
    *(group("gender", "F", 0.03), group("gender", "M", -0.03)),
    *(group("speaker", "Ses01_F", -0.12), group("speaker", "Ses01_M", 0.05), group("speaker", "Ses02_F", None)),
)


def results(**changes: Any) -> StressResults:  # noqa: ANN401
    values: dict[str, Any] = {
        "variant": "gia-mic:full",
        "corpus": "table",
        "synthetic": False,
        "classes": ("angry", "happy", "neutral", "sad"),
        "split_id": "fedcba9876543210",
        "suite": "0123456789abcdef",
        "seed": 0,
        "utterances": 400,
        "ua": 0.6,
        "conditions": CONDITIONS,
        "groups": GROUPS,
        "skipped": (SkippedCondition(name="codec-mp3", reason="PyAV is not installed"),),
    }
    return StressResults(**{**values, **changes})


def page_of(given: StressResults, folder: Path) -> str:
    return write_page(given, folder / "stress.html", command="merflow stress runs/demo gia-mic:full").read_text()


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_stress(tmp_path, results())
    assert read_stress(tmp_path) == results()
    assert results().failed == ("noise-10dB", "noise-0dB", "codec-opus", "speaker Ses01_F")
    assert results().checks == 10
    write_json(tmp_path / "stress.json", read_json(tmp_path / "stress.json") | {"format": 0})
    with pytest.raises(FormatError, match="run merflow stress again"):
        read_stress(tmp_path)
    with pytest.raises(ModelError, match="run merflow stress again"):
        read_stress(tmp_path / "nowhere")


def test_the_verdict_names_the_mildest_failure_of_a_family_and_the_worst_family_first() -> None:
    assert [each.name for each in failed_first(CONDITIONS)] == ["codec-opus", "noise-10dB"]
    verdict = stress_verdict(results())
    assert verdict.headline == "gia-mic:full bears 2 of 5 conditions and is worse for 1 group"
    assert verdict.sentences == (
        "UA is 60.0% on 400 test utterances as they are.",
        "Under codec-opus (something <codec-opus>), 50.0% of predictions stay the same (75.0% are needed).",
        "Under noise-10dB (something <noise-10dB>), UA falls by 14.0 points (10.0 are allowed).",
        "UA is lower than that of the others, beyond chance, for speaker Ses01_F "
        f"({MINUS}12.0 points; 8.0 are allowed).",
    )


def test_the_verdict_of_a_model_that_bears_everything() -> None:
    verdict = stress_verdict(results(conditions=CONDITIONS[:2], groups=GROUPS[:2], synthetic=True, utterances=60))
    assert verdict.headline == "gia-mic:full bears all 2 conditions"
    assert verdict.sentences[1:] == ("No group by gender is worse than the others beyond what chance explains.",)
    assert any("say nothing about real speech" in caution for caution in verdict.cautions)
    assert any("60 utterances are few" in caution for caution in verdict.cautions)
    assert stress_verdict(results(conditions=(), groups=())).headline == "gia-mic:full was tested under no condition"


def test_dots_and_limits_stand_on_one_scale() -> None:
    plot = drops_plot(results())
    assert plot.zero is not None
    at = {row.name: row.at for row in plot.rows}
    per_point = (plot.zero - at["noise-0dB"]) / 40
    assert at["noise-10dB"] == pytest.approx(plot.zero - 14 * per_point, abs=0.05)
    assert [row.limit for row in plot.rows] == [pytest.approx(plot.zero - 10 * per_point, abs=0.05)] * 5
    ends = [value for row in plot.rows for value in (row.low, row.high)]
    assert all(value is not None and 0 <= value <= 100 for value in ends)
    ticks = {text: place for place, text in plot.ticks}
    assert ticks["0"] == plot.zero
    assert 3 <= len(ticks) <= 8
    assert [row.passed for row in plot.rows] == [True, True, False, False, True], "UA alone"
    assert [row.passed for row in unchanged_plot(results()).rows] == [True, True, True, False, False]
    assert [row.at for row in unchanged_plot(results()).rows] == [90, 90, 90, 30, 50]
    plots = group_plots(results())
    assert [(plot.title, [row.name for row in plot.rows]) for plot in plots] == [
        ("By gender", ["F", "M"]),
        ("By speaker", ["Ses01_F", "Ses01_M"]),
    ]


def test_the_page_needs_nothing_and_has_every_number(tmp_path: Path) -> None:
    page = page_of(results(), tmp_path)
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "something &lt;telephone&gt;" in page
    for figure in (f"{MINUS}14.0", f"{MINUS}18.0 to {MINUS}10.0", "50.0", "75.0", f"{MINUS}12.0"):
        assert figure in page, figure
    assert "Not tested: codec-mp3. PyAV is not installed." in page
    assert page_of(results(), tmp_path) == page


def test_the_pictures_show_what_is_changed(tmp_path: Path) -> None:
    sources = re.findall(r'src="data:image/webp;base64,([^"]+)"', page_of(results(), tmp_path))
    known = 1 + 5
    assert len(sources) == known
    shades = [np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("L"), dtype=float) for each in sources]
    unchanged, telephone, faint, _, loud, _ = shades
    assert unchanged.shape == (64, 300)
    assert telephone[:14].mean() > unchanged[:14].mean() + 5, "no high frequencies: lighter"
    assert loud.mean() < faint.mean() < unchanged.mean(), "noise is dark"


def test_a_page_of_few_results_is_whole(tmp_path: Path) -> None:
    bare = results(conditions=(), groups=(), skipped=())
    assert 'id="drops"' not in page_of(bare, tmp_path)
    without = (condition("telephone", "telephone", -0.05, ci95=None),)
    page = page_of(results(conditions=without), tmp_path)
    assert "too few for intervals" in page


@pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"Debian's chromium is not installed ({CHROMIUM})")
def test_nothing_sticks_out_on_a_phone_or_a_desktop(tmp_path: Path) -> None:
    page_of(results(), tmp_path)
    with browser() as opened:
        for width in (DESKTOP, PHONE):
            with open_page(opened, (tmp_path / "stress.html").as_uri(), width=width) as page:
                assert page.evaluate("document.documentElement.scrollWidth") == width
                boxes = page.evaluate(
                    "[...document.querySelectorAll('.plot .track')].map(each => each.getBoundingClientRect().width)"
                )
                assert len(boxes) == 2 * (1 + 5) + (1 + 2) * 2
                assert min(boxes) > 120, "a track that is wide enough to see"
                dot = page.locator("#drops li.fails .dot").first.bounding_box()
                zone = page.locator("#drops li.fails .zone").first.bounding_box()
                assert dot is not None
                assert zone is not None
                assert dot["x"] + dot["width"] / 2 < zone["x"], "a failed dot is outside of the zone"

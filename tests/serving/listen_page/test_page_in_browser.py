"""The page as its readers have it: Debian's Chromium, offline, with mouse and keyboard, on a phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")
pytest.importorskip("av")

from merflow.contracts.listening_results import ListeningResults
from merflow.serving.listen_page.page import write_page
from merflow.serving.playback import playback_copy
from merflow.serving.waveform import Waveform
from tests.serving.results import SEGMENTS, results, score_results, scored
from tests.serving.sounds import beep
from tools.report_screenshots import CHROMIUM, DESKTOP, PHONE, Scheme, browser, open_page

pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"Debian's chromium is not installed ({CHROMIUM})")


def written(folder: Path, *, within: bool, of: ListeningResults | None = None) -> Path:
    """Write a page whose sound is within it, or in the file beside it."""
    samples, waveform = beep(20.0)[:, 0], Waveform()
    waveform.add(samples)
    with playback_copy(folder / "sound #1.mp3") as copy:
        copy.add(samples)
    write_page(
        folder / "listening.html",
        of or results(),
        waveform=waveform,
        embedded=folder / "sound #1.mp3" if within else None,
        beside=None if within else "sound #1.mp3",
        files_beside={},
        command="merflow listen talk.mp4",
    )
    if within:
        (folder / "sound #1.mp3").unlink()
    return folder / "listening.html"


@pytest.fixture(scope="module")
def listened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), within=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@contextmanager
def opened(chromium: Any, page_file: Path, *, width: int = DESKTOP, scheme: Scheme = "light") -> Iterator[Any]:  # noqa: ANN401
    """Open the page without a network; it asks for nothing but its own sound, and raises no errors."""
    problems: list[str] = []
    own = (page_file.parent.as_uri(), "data:", "blob:")
    with open_page(chromium, "about:blank", width=width, scheme=scheme) as page:
        page.context.set_offline(True)
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(own) else problems.append(asked.url))
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-listening=ready]", state="attached")
        yield page
    assert problems == []


def position(page: Any) -> float:  # noqa: ANN401
    return float(page.evaluate("document.getElementById('audio').currentTime"))


def plays(page: Any) -> bool:  # noqa: ANN401
    return not page.evaluate("document.getElementById('audio').paused")


def wait_until_past(page: Any, seconds: float) -> None:  # noqa: ANN401
    """Wait for the sound to get there; the page's policy forbids Playwright's own way of waiting."""
    for _ in range(200):
        if position(page) > seconds:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"the sound is at {position(page)} s, not past {seconds} s")


def drawn(page: Any, canvas: str) -> int:  # noqa: ANN401
    """Return the number of colours in a canvas."""
    script = """(name) => {
        const canvas = document.getElementById(name);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    }"""
    return int(page.evaluate(script, canvas))


@pytest.mark.parametrize("within", [True, False])
def test_the_sound_plays_offline_and_stops(chromium: Any, tmp_path: Path, within: bool) -> None:  # noqa: ANN401
    folder = tmp_path / "a page & its sound"
    folder.mkdir()
    with opened(chromium, written(folder, within=within)) as page:
        assert not plays(page)
        page.get_by_role("button", name="Play", exact=True).click()
        wait_until_past(page, 0.3)
        assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(20, abs=0.15)
        page.get_by_role("button", name="Pause", exact=True).click()
        assert not plays(page)
        assert page.locator("#time").inner_text() != "0:00.0"


def test_a_segment_of_the_table_is_played_from_its_start(chromium: Any, listened: Path) -> None:  # noqa: ANN401
    with opened(chromium, listened) as page:
        page.locator("#table button.seek").nth(3).click()
        wait_until_past(page, 12.3)
        assert position(page) < 17
        assert page.locator("#table tr[aria-current]").count() == 1
        page.get_by_role("button", name="Pause", exact=True).click()


def test_a_segment_of_the_picture_is_sought_by_click(chromium: Any, listened: Path) -> None:  # noqa: ANN401
    with opened(chromium, listened) as page:
        box = page.locator("#detail").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 16.5 / 20, box["y"] + 130)  # the last segment's name: 14 to 19 s
        assert page.locator("#time").inner_text() == "0:14.0"
        assert page.locator("#now .said").inner_text() == "neutral"
        page.mouse.click(box["x"] + box["width"] * 16.5 / 20, box["y"] + 40)  # the sound
        assert page.locator("#time").inner_text() == "0:16.5"
        page.get_by_role("button", name="Play", exact=True).click()
        wait_until_past(page, 16.6)
        assert position(page) < 19.9


def test_the_panel_says_what_is_possible(chromium: Any, listened: Path) -> None:  # noqa: ANN401
    with opened(chromium, listened) as page:
        page.keyboard.press("n")
        page.keyboard.press("n")
        assert page.locator("#now .said").inner_text() == "not sure"
        assert page.locator("#now .possible").inner_text() == "possible: angry, happy"
        assert page.locator("#now .text").inner_text() == '“She said "<b>no</b>" & left.”'
        assert page.locator("#now .bars li").count() == 4
        assert page.locator("#now .ruled-out").all_inner_texts()[0].startswith("neutral")
        page.keyboard.press("n")
        assert page.locator("#now .said").inner_text() == "no prediction"
        assert page.locator("#now .doubt").inner_text() == "it cannot be read"


def test_everything_works_with_the_keyboard_alone(chromium: Any, listened: Path) -> None:  # noqa: ANN401
    with opened(chromium, listened) as page:
        page.keyboard.press("ArrowRight")
        assert page.locator("#time").inner_text() == "0:05.0"
        page.keyboard.press("p")
        assert page.locator("#time").inner_text() == "0:04.0"
        page.keyboard.press("p")
        assert page.locator("#time").inner_text() == "0:01.0"
        page.keyboard.press(" ")
        wait_until_past(page, 1.2)
        page.keyboard.press(" ")
        assert not plays(page)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        seen = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert {"seek", "previous", "play", "next", "speed", "zoom"} <= seen


def test_the_table_is_filtered(chromium: Any, listened: Path) -> None:  # noqa: ANN401
    with opened(chromium, listened) as page:
        page.locator(".filter label", has_text="not sure").click()
        assert page.locator("#table tbody tr:visible").count() == len(SEGMENTS) - 1
        assert page.locator(".count").inner_text() == "4 of 5 segments"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(chromium: Any, listened: Path, scheme: Scheme) -> None:  # noqa: ANN401
    with opened(chromium, listened, width=PHONE, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE
        assert drawn(page, "overview") > 4
        assert drawn(page, "detail") > 6
        page.locator("#table button.seek").first.click()
        wait_until_past(page, 1.1)
        assert page.locator("#dock").is_visible()
        page.locator("#dock button").click()
        assert not plays(page)


@pytest.fixture(scope="module")
def scored_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), within=True, of=score_results())


def test_the_panel_shows_a_score_on_its_scale(chromium: Any, scored_page: Path) -> None:  # noqa: ANN401
    with opened(chromium, scored_page) as page:
        page.keyboard.press("n")
        assert page.locator("#now .said").inner_text() == "-2.6 (-3.0 to -1.7)"
        assert page.locator("#now .possible").inner_text() == "smoothed: -0.7"
        rail, point, band = (page.locator(f"#now .gauge{part}").bounding_box() for part in ("", " .point", " .band"))
        assert (point["x"] + point["width"] / 2 - rail["x"]) / rail["width"] == pytest.approx(0.4 / 6, abs=0.01)
        assert (band["x"] - rail["x"]) / rail["width"] == pytest.approx(0, abs=0.01)
        assert band["width"] / rail["width"] == pytest.approx(1.3 / 6, abs=0.01)
        page.keyboard.press("n")
        assert page.locator("#now .said").inner_text() == "not sure: 0.0 (-0.9 to 0.9)"
        assert page.locator("#now .gauge .band.unsure").count() == 1
        assert page.locator("#now .ends").inner_text().split() == ["-3", "negative", "0", "3", "positive"]
        page.keyboard.press("n")
        assert page.locator("#now .said").inner_text() == "no prediction"
        assert page.locator("#now .gauge").count() == 0
        page.locator(".filter label", has_text="positive").click()
        assert page.locator("#table tbody tr:visible").count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_scores(chromium: Any, scored_page: Path, scheme: Scheme) -> None:  # noqa: ANN401
    with opened(chromium, scored_page, width=PHONE, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE
        assert drawn(page, "detail") > 6
        first = page.locator("#table .gauge").first
        first.scroll_into_view_if_needed()
        assert first.bounding_box()["width"] > PHONE / 2


def test_scores_without_intervals_are_drawn_as_points(chromium: Any, tmp_path: Path) -> None:  # noqa: ANN401
    plain = score_results((scored(1, 3, -1.0, None), scored(4, 9, 3.4, None)), calibrated=False)
    with opened(chromium, written(tmp_path, within=True, of=plain)) as page:
        page.keyboard.press("n")
        assert page.locator("#now .said").inner_text() == "-1.0"
        assert page.locator("#now .band").count() == 0
        assert page.locator("#table .point").count() == 2
        assert drawn(page, "detail") > 6


def test_a_page_without_sound_can_still_be_read(chromium: Any, tmp_path: Path) -> None:  # noqa: ANN401
    waveform = Waveform()
    waveform.add(np.zeros(16_000 * 20, dtype=np.float32))
    path = tmp_path / "page.html"
    write_page(path, results(), waveform=waveform, embedded=None, beside=None, files_beside={}, command="x")
    with opened(chromium, path) as page:
        assert page.get_by_role("button", name="Play", exact=True).is_disabled()
        page.locator("#table button.seek").nth(4).click()
        assert page.locator("#now .said").inner_text() == "neutral"


def test_a_recording_without_speech_has_a_page(chromium: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = tmp_path / "page.html"
    write_page(path, results(()), waveform=Waveform(), embedded=None, beside=None, files_beside={}, command="x")
    with opened(chromium, path) as page:
        assert page.locator("h1").inner_text() == "No speech was found"
        assert page.locator("#table").count() == 0
        page.keyboard.press("n")

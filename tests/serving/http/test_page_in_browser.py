"""The page as people have it: Debian's Chromium, a microphone, a file, a keyboard, a phone, the dark."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("playwright")

from playwright.sync_api import FilePayload, sync_playwright

from merflow.opening.open_model import open_model
from merflow.serving.http.settings import ServeSettings
from merflow.serving.predictor import Predictor
from tests.rated_clips import RatedFold
from tests.serving.http.hostile_media import encoded, movie, tone
from tests.serving.http.running import Running, running
from tools.report_screenshots import CHROMIUM, DESKTOP, FLAGS, PHONE, Scheme, open_page

pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"Debian's chromium is not installed ({CHROMIUM})")


@pytest.fixture(scope="module")
def chromium(recordings: list[Path]) -> Iterator[Any]:
    """Start a browser whose microphone hears a recording again and again."""
    microphone = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recordings[0]}",
    )
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *microphone])
        yield opened
        opened.close()


@contextmanager
def opened(
    chromium: Any,  # noqa: ANN401
    server: Running,
    *,
    width: int = DESKTOP,
    scheme: Scheme = "light",
) -> Iterator[Any]:
    """Open the page; check that it contacts no other host and shows no error."""
    problems: list[str] = []
    with open_page(chromium, "about:blank", width=width, scheme=scheme) as page:
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: problems.append(asked.url) if not own(asked.url, server) else None)
        page.goto(server.url)
        page.locator("#intro", has_text="This model").wait_for()
        yield page
    assert problems == []


def own(url: str, server: Running) -> bool:
    return url.startswith((f"{server.url}/", f"blob:{server.url}", "data:"))


def answered(page: Any) -> str:  # noqa: ANN401
    """Wait for the answer and return its verdict."""
    page.locator("#answer-title:visible").wait_for(timeout=30_000)
    return str(page.locator("#answer-title").inner_text())


def file(content: bytes, name: str = "clip.wav", kind: str = "audio/wav") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


def test_a_file_is_answered_as_the_server_answers_it(
    chromium: Any,  # noqa: ANN401
    server: Running,
    recordings: list[Path],
) -> None:
    content = recordings[1].read_bytes()
    (wanted,) = server.upload("/predict", ("file", "clip.wav", content)).json["predictions"]
    with opened(chromium, server) as page:
        assert page.locator("#predict").is_disabled()
        page.set_input_files("#file", file(content))
        verdict = answered(page)
        assert verdict.startswith("Not sure") != wanted["sure"]
        shares = page.locator("#bars .share").all_inner_texts()
        assert shares == [f"{np.floor(100 * share + 0.5):.0f}%" for share in wanted["probabilities"].values()]
        possible = page.locator("#bars .possible").all_inner_texts()
        assert possible == wanted["possible"]
        assert page.locator("#counted span").all_inner_texts() == ["audio", "text: not given"]
        assert page.locator("#warnings li").all_inner_texts() == wanted["warnings"]
        assert page.locator("#waveform svg path").count() == 1
        page.fill("#text", "I am so happy")
        page.locator("#predict").click()
        page.locator("#counted", has_text="audiotext").wait_for()


def test_a_recording_from_the_microphone_is_answered(chromium: Any, server: Running) -> None:  # noqa: ANN401
    with opened(chromium, server) as page:
        button = page.locator("#record")
        button.click()
        page.locator("#record[aria-pressed=true]").wait_for()
        assert button.inner_text().strip() == "Stop"
        page.wait_for_timeout(1500)
        assert "press again to stop" in page.locator("#record-hint").inner_text()
        button.click()
        answered(page)
        assert page.locator("#answer-of").inner_text() == "recording.webm"
        heard_s = float(page.locator("#duration").inner_text().removesuffix(" s"))
        assert 0.5 < heard_s < 10
        assert page.locator("#record").get_attribute("aria-pressed") == "false"


def test_words_alone_are_answered_with_the_keyboard_alone(chromium: Any, server: Running) -> None:  # noqa: ANN401
    with opened(chromium, server) as page:
        seen = []
        for _ in range(6):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
            if seen[-1] == "text":
                break
        assert seen == ["skip", "record", "file", "text"]
        page.keyboard.type("what a wonderful day")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        answered(page)
        assert page.locator("#counted span").all_inner_texts() == ["audio: not given", "text"]
        assert not page.locator("#sound").is_visible()
        assert page.evaluate("document.activeElement.id") == "answer"


def test_a_refusal_is_reported(chromium: Any, server: Running) -> None:  # noqa: ANN401
    with open_page(chromium, server.url) as page:
        page.locator("#clip-form:visible").wait_for()
        page.set_input_files("#file", file(b"no sound at all"))
        page.locator("#problem", has_text="cannot be read").wait_for()
        assert page.locator("#problem").get_attribute("role") == "alert"
        assert not page.locator("#answer").is_visible()
        page.set_input_files("#file", file(movie(), "clip.mp4", "video/mp4"))
        answered(page)
        assert page.locator("#problem").inner_text() == ""
        assert page.locator("#player video").count() == 1


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_nothing_is_cut_off(
    chromium: Any,  # noqa: ANN401
    server: Running,
    width: int,
    scheme: Scheme,
) -> None:
    with opened(chromium, server, width=width, scheme=scheme) as page:
        page.set_input_files("#file", file(encoded(tone(3))))
        answered(page)
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide == [width, width], "no part makes the page scroll sideways"
        for button in page.locator("button:visible, label.button:visible").all():
            box = button.bounding_box()
            assert box["height"] >= 44
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        ink, paper = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        assert (brightness(ink) > brightness(paper)) == (scheme == "dark")


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_a_score_is_shown_on_its_scale(
    chromium: Any,  # noqa: ANN401
    scoring: Running,
    rated_fold: RatedFold,
    width: int,
    scheme: Scheme,
) -> None:
    sounds = [soundfile.read(turn.recording, dtype="float32")[0] for turn in rated_fold.turns[:6]]
    pause = np.zeros(16_000, dtype=np.float32)
    talk = io.BytesIO()
    soundfile.write(talk, np.concatenate([part for sound in sounds for part in (sound, pause)]), 16_000, format="WAV")
    (wanted,) = scoring.upload("/predict", ("file", "clip.wav", talk.getvalue())).json["predictions"]
    with opened(chromium, scoring, width=width, scheme=scheme) as page:
        assert page.locator("h1").inner_text() == "The sentiment of a clip"
        assert "from -3 (negative) to 3 (positive), from speech and words" in page.locator("#intro").inner_text()
        page.set_input_files("#file", file(talk.getvalue()))
        said = answered(page)
        assert said.lower().startswith("not sure") != wanted["sure"]
        assert f"sentiment {wanted['score']:.1f}".replace("-0.0", "0.0") in said.lower()
        assert f"{wanted['low']:.1f} to {wanted['high']:.1f}" in page.locator("#answer-note").inner_text()
        rail, point, band = (page.locator(f"#bars .gauge{part}").bounding_box() for part in ("", " .point", " .band"))
        at = (point["x"] + point["width"] / 2 - rail["x"]) / rail["width"]
        assert at == pytest.approx((wanted["score"] + 3) / 6, abs=0.01)
        assert (band["x"] - rail["x"]) / rail["width"] == pytest.approx((wanted["low"] + 3) / 6, abs=0.01)
        assert band["width"] / rail["width"] == pytest.approx((wanted["high"] - wanted["low"]) / 6, abs=0.01)
        assert abs(band["y"] + band["height"] / 2 - point["y"] - point["height"] / 2) < 1, "both are on one line"
        assert page.locator("#timeline-title").inner_text() == "Sentiment over time"
        stretches = page.locator("#timeline-chart .interval").count()
        assert stretches >= 4
        page.locator("#numbers summary").click()
        heads = page.locator("#segments th").all_inner_texts()
        assert heads == ["From", "To", "Sentiment", "Interval", "Side"]
        assert page.locator("#segments tbody tr").count() == stretches
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_score_without_interval_says_so(chromium: Any, rated_fold: RatedFold) -> None:  # noqa: ANN401
    with (
        running(open_model(str(rated_fold.folder / "model"), device="cpu")) as plain,
        opened(chromium, plain) as page,
    ):
        page.fill("#text", "I loved it")
        page.locator("#predict").click()
        assert answered(page).lower().startswith("sentiment ")
        assert "cannot say how far off" in page.locator("#answer-note").inner_text()
        assert page.locator("#bars .band").count() == 0
        assert page.locator("#bars .point").count() == 1


def brightness(colour: str) -> int:
    return sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(",")))


def test_a_locked_server_asks_for_its_key(chromium: Any, predictor: Predictor) -> None:  # noqa: ANN401
    with (
        running(predictor, ServeSettings(api_key="key-of-the-page")) as locked,
        open_page(chromium, locked.url) as page,
    ):
        page.locator("#key").wait_for()
        assert not page.locator("#clip-form").is_visible()
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        page.locator("#key-problem", has_text="not the server's key").wait_for()
        page.fill("#key", "key-of-the-page")
        page.keyboard.press("Enter")
        page.locator("#clip-form:visible").wait_for()
        page.set_input_files("#file", file(encoded(tone(1))))
        answered(page)

"""The page's file: whole without a network, safe against what a recording is called or says, bounded in size."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.listening_results import ListeningResults
from merflow.serving.listen_page.page import precise_time, write_page
from merflow.serving.waveform import POINTS, Waveform
from tests.serving.results import SEGMENTS, results, score_results, scored, segment


def written(
    folder: Path, of: ListeningResults, *, embedded: Path | None = None, beside: str | None = None, seconds: int = 20
) -> str:
    waveform = Waveform()
    second = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    for _ in range(seconds):
        waveform.add(second)
    write_page(
        folder / "page.html",
        of,
        waveform=waveform,
        embedded=embedded,
        beside=beside,
        files_beside={"segments.csv": "one row per segment"},
        command="merflow listen <x> --model runs/demo",
    )
    return (folder / "page.html").read_text(encoding="utf-8")


class Parsed(HTMLParser):
    """The addresses and the data of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.rows = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses and rows."""
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        self.rows += tag == "tr" and any(name == "data-index" for name, _ in attrs)


def test_nothing_comes_from_a_network(tmp_path: Path) -> None:
    page = Parsed(written(tmp_path, results()))
    assert page.rows == len(SEGMENTS)
    assert all(address.startswith(("#", "data:,")) for address in page.addresses)


def test_names_and_words_are_text(tmp_path: Path) -> None:
    attack = segment(0, 1, 0.7, 0.1, 0.1, 0.1, text="</script><script>alert(1)</script><!--")
    html = written(tmp_path, results((attack,)))
    assert "<script>alert" not in html
    assert "<!--" not in html
    assert "Gespräch &lt;1&gt;.mp4" in html
    data = data_of(html)
    assert data["segments"][0]["text"] == attack.text
    assert len(base64.b64decode(data["outline"])) == 2 * 2000


def data_of(html: str) -> Any:  # noqa: ANN401 - JSON
    stored = re.search(r'id="data">(.*?)</script>', html, flags=re.DOTALL)
    assert stored is not None
    return json.loads(stored[1])


def test_scores_are_drawn_on_their_scale(tmp_path: Path) -> None:
    html = written(tmp_path, score_results())
    data = data_of(html)
    assert data["scale"] == {"low": -3, "middle": 0, "high": 3, "sides": ["negative", "positive"]}
    assert [each["answer"] for each in data["segments"]] == [0, -1, -2, 1, 1]
    first = data["segments"][0]
    assert (first["score"], first["low"], first["high"], first["said"]) == (-2.6, -3.0, -1.7, "-2.6 (-3.0 to -1.7)")
    assert "own" not in first
    assert html.count('class="gauge" role="img"') == 4
    assert "<title>Gespräch &lt;1&gt;.mp4: sentiment</title>" in html
    for word in ("emotion of", "robabilities"):
        assert word not in html.partition("<script")[0].partition("</style>")[2]


def test_a_score_beyond_the_scale_and_one_without_interval_are_drawn(tmp_path: Path) -> None:
    html = written(tmp_path, score_results((scored(0, 1, 3.4, None),), calibrated=False))
    assert "--at: 100.0%" in html
    assert 'class="band' not in html.partition("<body>")[2].partition("<script")[0]
    assert data_of(html)["segments"][0]["low"] is None


def test_sound_is_embedded_byte_by_byte(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(1_000_001)
    (tmp_path / "sound.mp3").write_bytes(content)
    html = written(tmp_path, results(), embedded=tmp_path / "sound.mp3")
    stored = re.search(r'<script type="text/plain" id="sound" data-mime="audio/mpeg">([^<]*)</script>', html)
    assert stored is not None
    assert base64.b64decode(stored[1], validate=True) == content


def test_sound_next_to_the_page_is_named(tmp_path: Path) -> None:
    assert "sound.mp3" in Parsed(written(tmp_path, results(), beside="sound.mp3")).addresses


def test_hours_make_no_larger_outline(tmp_path: Path) -> None:
    two_hours = results((), duration_s=7200.0)
    assert len(written(tmp_path, two_hours, seconds=7200)) < 4 * POINTS + 100_000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (62.54, "1:02.5"), (3661.0, "1:01:01.0")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert precise_time(seconds) == text

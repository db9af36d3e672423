import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.errors import FeatureError
from merflow.features.media.dialogue_video import VideoSpan, read_dialogue
from merflow.features.media.film import Film
from merflow.features.media.frames import Damage
from tests.features.media.avi_layouts import KEYS, Footage, footage, number, with_dropped, write

# Layouts of files that play well.
LAYOUTS: dict[str, dict[str, Any]] = {
    "index counts from the list": {},
    "index counts from the file's start": {"base": 0},
    "index counts from anywhere": {"base": 2**31 - 7},
    "no index": {"index": False},
    "index stops in the middle": {"listed": lambda place, _: place < 60},
    "index stops at once": {"listed": lambda place, _: place < 2},
    "index lacks chunks": {"listed": lambda place, _: place % 10 != 5},
    "index lacks the first chunk": {"listed": lambda place, _: place > 0},
    "index lacks the first chunks": {"listed": lambda place, _: place > 4},
    "index has key frames alone": {"listed": lambda _, chunk: chunk.key},
    "every frame is called a key frame": {"keys": lambda _: True},
    "no frame is called a key frame": {"keys": lambda _: False},
    "chunks in lists": {"lists": 5},
    "chunks of no meaning": {"junk": True},
    "chunks without padding": {"padded": False},
    "no chunk is padded and there is no index": {"padded": False, "index": False},
    "three parts": {"riffs": 3},
    "header tells a few more": {"told": 65},
    "header tells a few less": {"told": 55},
    "header tells nothing": {"told": 0},
}
KINDS: dict[str, dict[str, Any]] = {"plain": {}, "late": {"late": 2}, "packed": {"late": 1, "packed": True}}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Footage]:
    folder = tmp_path_factory.mktemp("footage")
    return {kind: footage(folder / f"{kind}.avi", **settings) for kind, settings in KINDS.items()}


def shown(path: Path, *, first: int = 0) -> tuple[dict[int, int], str | None]:
    """Return the number that each picture shows by its index, and the reason why there are no more."""
    found: dict[int, int] = {}
    with Film(path) as film:
        try:
            for picture in film.pictures(first=first):
                assert picture.index not in found
                found[picture.index] = number(picture.half(None))
        except Damage as damage:
            return found, str(damage)
    return found, None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_that_plays_is_read(
    films: dict[str, Footage], tmp_path: Path, kind: str, layout: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "film.avi"
    write(path, films[kind], **LAYOUTS[layout])
    assert shown(path) == ({index: index for index in range(60)}, None)
    for first in (1, KEYS, 45):
        found, damage = shown(path, first=first)
        assert damage is None
        assert min(found) <= first
        assert found == {index: index for index in range(min(found), 60)}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "layout",
    [{}, {"listed": lambda _, chunk: bool(chunk.content)}, {"index": False}],
    ids=["listed", "not listed", "no index"],
)
@pytest.mark.parametrize(("kind", "delay"), [("plain", 0), ("late", 1), ("packed", 1)])
def test_a_dropped_frame_is_the_one_before_it(
    films: dict[str, Footage], tmp_path: Path, kind: str, delay: int, layout: dict[str, Any]
) -> None:
    path = tmp_path / "film.avi"
    stored = [7, 8, 30, 31, 31]
    write(path, with_dropped(films[kind], at=stored), **layout)
    due = {index + sum(index + delay >= place for place in stored): index for index in range(60)}
    for first in (0, 50):
        found, damage = shown(path, first=first)
        assert damage is None
        # The last comes out of the decoder when there is nothing more to wait for.
        assert found == {index: frame for index, frame in due.items() if index >= min(found)}


def test_sound_behind_all_frames(films: dict[str, Footage], tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    film = films["late"]
    write(path, film._replace(chunks=tuple(sorted(film.chunks, key=lambda chunk: not chunk.is_frame))))
    assert shown(path) == ({index: index for index in range(60)}, None)


def test_bytes_behind_the_film_are_no_damage(films: dict[str, Footage], tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    write(path, films["plain"])
    path.write_bytes(path.read_bytes() + bytes(999))
    assert shown(path) == ({index: index for index in range(60)}, None)


def _cut(content: bytes, start: int, length: int) -> bytes:
    return content[:start] + content[start + length :]


def _emptied(content: bytes, start: int, length: int) -> bytes:
    return content[:start] + bytes(length) + content[start + length :]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spoil", [_cut, _emptied])
@pytest.mark.parametrize("kind", KINDS)
def test_a_film_that_lost_frames_ends_where_it_did(
    films: dict[str, Footage], tmp_path: Path, kind: str, spoil: Callable[[bytes, int, int], bytes], layout: str
) -> None:
    path = tmp_path / "film.avi"
    write(path, films[kind], **LAYOUTS[layout])
    content = path.read_bytes()
    frames = [chunk.content for chunk in films[kind].chunks if chunk.is_frame]
    start = content.index(frames[29]) + len(frames[29]) // 2
    path.write_bytes(spoil(content, start, sum(map(len, frames)) // 15))
    for first in (0, KEYS + 1, 45):
        found, damage = shown(path, first=first)
        assert damage is not None
        assert damage.startswith(("it is damaged at frame 28", "it is damaged at frame 29"))
        assert found == {index: index for index in found}
        assert max(found) in (27, 28)


def test_a_film_whose_chunks_are_out_of_line_is_read_with_a_warning(
    films: dict[str, Footage], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "film.avi"
    write(path, films["plain"])
    content = path.read_bytes()
    place = content.index([chunk for chunk in films["plain"].chunks if chunk.is_frame][30].content) - 8
    path.write_bytes(content[:place] + bytes(6) + content[place:])
    assert shown(path) == ({index: index for index in range(60)}, None)
    assert [record.getMessage() for record in caplog.records] == [
        f"video {path}: no chunk is at byte {place}, but none of 60 frames (60 by the header) seems missing; "
        "reading continues"
    ]


def test_a_fault_inside_a_frame_costs_no_other(
    films: dict[str, Footage], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "film.avi"
    write(path, films["plain"])
    content = path.read_bytes()
    chunk = [chunk for chunk in films["plain"].chunks if chunk.is_frame][30]
    start = content.index(chunk.content) + 40
    path.write_bytes(_emptied(content, start, len(chunk.content) - 80))
    found, damage = shown(path)
    assert damage is None
    assert {found[index] - index for index in (*range(30), *range(2 * KEYS, 60))} == {0}
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "frame 30 (1.001 s) has errors, which the decoder repairs; reading continues"
    ]


def test_frames_before_the_first_key_frame_are_not_shown(films: dict[str, Footage], tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    film = films["plain"]
    missing = [chunk for chunk in film.chunks if chunk.is_frame][:1]
    write(path, film._replace(chunks=tuple(chunk for chunk in film.chunks if chunk not in missing), frames=59))
    found, damage = shown(path)
    assert damage is None
    assert found == {index: index + 1 for index in range(KEYS - 1, 59)}
    spans = [VideoSpan("before", None, 0.0, 0.5), VideoSpan("after", None, 0.7, 1.0)]
    read = dict(read_dialogue(path, spans, clip_s=None))
    assert isinstance(read["before"], FeatureError)
    assert "its pictures before 0.634 s cannot be decoded; replace the file" in str(read["before"])
    assert isinstance(read["after"], np.ndarray)
    assert [number(picture) for picture in read["after"]] == list(range(22, 31))


def test_interlaced_frames_that_refer_to_later_ones_are_all_there_from_any_start(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    write(path, footage(tmp_path / "footage.avi", frames=100, late=2, flags="+ilme+ildct"))
    for first in (0, 21, 81):
        found, damage = shown(path, first=first)
        assert damage is None
        assert min(found) <= first
        assert found == {index: index for index in range(min(found), 100)}

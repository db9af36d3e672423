from pathlib import Path

import pytest

from merflow.features.media.avi_chunks import Break, WithoutIndex, chunks_of
from tests.features.media.avi_layouts import Footage, footage, write


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return footage(tmp_path_factory.mktemp("footage") / "film.avi", frames=8)


@pytest.mark.parametrize("layout", [{}, {"lists": 3, "junk": True}, {"padded": False}, {"riffs": 2}])
def test_places_are_those_of_the_frames(film: Footage, tmp_path: Path, layout: dict[str, int]) -> None:
    path = tmp_path / "film.avi"
    write(path, film, **layout)  # type: ignore[arg-type]
    content = path.read_bytes()
    chunks = chunks_of(path, stream=0)
    assert chunks.broken is None
    assert chunks.indexes == (content.index(b"idx1"),)
    assert len(chunks.frames) == 8
    for place, chunk in zip(chunks.frames, [chunk for chunk in film.chunks if chunk.is_frame], strict=True):
        assert content[place + 8 :].startswith(chunk.content)


def test_a_break_is_behind_the_chunk_that_lost_its_end(film: Footage, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    write(path, film)
    content = path.read_bytes()
    places, indexes, _ = chunks_of(path, stream=0)
    lost = places[3] + 100
    length = int.from_bytes(content[places[3] + 4 : places[3] + 8], "little")
    end = places[3] + 8 + length + length % 2
    path.write_bytes(content[:lost] + content[lost + 50 :])
    assert chunks_of(path, stream=0).broken == Break(places[3], end, short=True)
    path.write_bytes(content[:lost] + bytes(2000) + content[lost + 2000 :])
    assert chunks_of(path, stream=0) == (places[:4], indexes, Break(places[3], end, short=False))


def test_a_file_that_was_cut_off_has_no_break(film: Footage, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    write(path, film)
    whole = chunks_of(path, stream=0)
    path.write_bytes(path.read_bytes()[: whole.frames[5] + 50])
    assert chunks_of(path, stream=0) == (whole.frames[:6], (), None)


@pytest.mark.parametrize("size", [1, 3, 4096, -1])
def test_an_index_is_masked_however_the_file_is_read(film: Footage, tmp_path: Path, size: int) -> None:
    path = tmp_path / "film.avi"
    write(path, film)
    source = WithoutIndex(path, indexes=chunks_of(path, stream=0).indexes)
    read = b""
    while part := source.read(size):
        read += part
    source.close()
    assert read == path.read_bytes().replace(b"idx1", b"JUNK")

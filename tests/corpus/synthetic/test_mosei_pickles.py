import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.corpus.synthetic.mosei_pickles import FILES, SHAPES, synthesize_pickles, write_mosei_pickle
from merflow.corpus.synthetic.pickle_pieces import PieceByPiece, write_pickle
from merflow.errors import CorpusError, OutputError


def loaded(path: Path) -> Any:  # noqa: ANN401 - the file's content; merflow's generator wrote it
    return pickle.loads(path.read_bytes())


def test_an_array_in_pieces_is_pickled_as_a_whole_one() -> None:
    whole = np.arange(60, dtype="f4").reshape(5, 3, 4)
    file = BytesIO()
    write_pickle(file, {"a": {"x": PieceByPiece(whole.shape, whole.dtype, iter([whole[:2], whole[2:]])), "n": [1]}})
    found = pickle.loads(file.getvalue())
    assert np.array_equal(found["a"].pop("x"), whole)
    assert found == {"a": {"n": [1]}}


def test_both_files_have_the_items_and_shapes_of_the_real_ones(mosei_pickles: Path) -> None:
    shape = SHAPES["tiny"]
    for form, name in FILES.items():
        found = loaded(mosei_pickles / name)
        assert list(found) == ["train", "valid", "test"]
        part = found["valid"]
        count = shape.utterances["dev"]
        steps = shape.steps if form == "unaligned" else {"audio": shape.words, "vision": shape.words}
        assert part["audio"].shape == (count, steps["audio"], 74)
        assert part["vision"].shape == (count, steps["vision"], 35)
        assert part["text"].shape == (count, shape.words, shape.widths["text"])
        assert part["text_bert"].shape == (count, 3, shape.words)
        assert {part[item].dtype.name for item in ("audio", "vision", "text")} == {"float32"}
        assert part["text_bert"].dtype == np.int64
        assert ("audio_lengths" in part, "vision_lengths" in part) == ((form == "unaligned"),) * 2
        assert all(len(part[item]) == count for item in ("raw_text", "id", "annotations", "regression_labels"))


def test_steps_beyond_the_lengths_are_zero_and_audio_lacks_numbers(mosei_pickles: Path) -> None:
    aligned, unaligned = (loaded(mosei_pickles / name)["train"] for name in FILES.values())
    words = aligned["text_bert"][:, 1].astype(bool)
    for item in ("audio", "vision", "text"):
        assert not aligned[item][~words].any()
        assert aligned[item][words].any()
    for item in ("audio", "vision"):
        for values, length in zip(unaligned[item], unaligned[f"{item}_lengths"], strict=True):
            assert not values[length:].any()
            assert np.abs(values[:length]).sum(axis=1).all()
    assert np.isneginf(aligned["audio"]).sum() == np.isneginf(unaligned["audio"]).sum() == 3


def test_no_video_is_in_two_parts_and_ids_are_unique(mosei_pickles: Path) -> None:
    found = loaded(mosei_pickles / FILES["aligned"])
    ids = [one for part in found.values() for one in part["id"]]
    assert len(set(ids)) == len(ids) == 100
    videos = [{one.split("$_$")[0] for one in part["id"]} for part in found.values()]
    assert not set.intersection(*videos)
    assert [len(each) for each in videos] == [10, 4, 4]


def test_features_and_words_tell_the_sentiment(mosei_pickles: Path) -> None:
    part = loaded(mosei_pickles / FILES["aligned"])["train"]
    words = part["text_bert"][:, 1].astype(bool)
    for item in ("vision", "text"):
        values = np.stack([one[mask].mean(axis=0) for one, mask in zip(part[item], words, strict=True)])
        related = [abs(np.corrcoef(column, part["regression_labels"])[0, 1]) for column in values.T]
        assert max(related) > 0.5


def test_the_bytes_depend_on_size_and_seed_alone(mosei_pickles: Path, tmp_path: Path) -> None:
    for seed, same in ((0, True), (1, False)):
        write_mosei_pickle(tmp_path / "again.pkl", SHAPES["tiny"], form="aligned", seed=seed)
        again = (tmp_path / "again.pkl").read_bytes()
        assert (again == (mosei_pickles / FILES["aligned"]).read_bytes()) is same


def test_equal_files_are_kept_and_others_are_not_overwritten(mosei_pickles: Path) -> None:
    before = (mosei_pickles / FILES["aligned"]).stat().st_mtime_ns
    assert synthesize_pickles(mosei_pickles, size="tiny") == mosei_pickles / FILES["aligned"]
    assert (mosei_pickles / FILES["aligned"]).stat().st_mtime_ns == before
    assert (mosei_pickles / SYNTHETIC_MARK).is_file()
    with pytest.raises(OutputError, match="holds another release"):
        synthesize_pickles(mosei_pickles, size="tiny", seed=1)


def test_an_unknown_size_or_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unknown size 'smal' of synthetic pickles; did you mean 'small'"):
        synthesize_pickles(tmp_path, size="smal")
    with pytest.raises(CorpusError, match="0 or more, not -1"):
        synthesize_pickles(tmp_path, size="tiny", seed=-1)


def test_the_full_size_has_the_counts_of_the_real_files() -> None:
    assert SHAPES["full"].utterances == {"train": 16_326, "dev": 1_871, "test": 4_659}
    assert SHAPES["full"].widths == {"audio": 74, "vision": 35, "text": 768}

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.corpus.mosei_pickle import ARRAYS, MoseiPickle, open_mosei_pickle
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import CorpusError

Content = dict[str, dict[str, Any]]
Change = Callable[[Content], object]


def content(folder: Path, form: str) -> Content:
    found: Content = pickle.loads((folder / f"{form}_50.pkl").read_bytes())
    return found


def reopened(changed: object, tmp_path: Path) -> MoseiPickle:
    path = tmp_path / "changed.pkl"
    path.write_bytes(pickle.dumps(changed, protocol=4))
    return open_mosei_pickle(path)


def test_the_file_tells_its_variant(mosei_pickles: Path) -> None:
    found = {form: open_mosei_pickle(mosei_pickles / name) for form, name in FILES.items()}
    assert {form: file.aligned for form, file in found.items()} == {"aligned": True, "unaligned": False}
    assert found["aligned"].widths == found["unaligned"].widths == {"audio": 74, "vision": 35, "text": 32}
    assert found["aligned"].clips == found["unaligned"].clips


def test_an_aligned_array_follows_the_mask_of_the_words(mosei_pickles: Path) -> None:
    file, raw = open_mosei_pickle(mosei_pickles / FILES["aligned"]), content(mosei_pickles, "aligned")["test"]
    for row in range(20):
        mask = raw["text_bert"][row, 1] == 1
        for array in ("vision", "text"):
            assert np.array_equal(file.parts["test"].steps(array, row), raw[array][row][mask])
            assert file.parts["test"].step_count(array, row) == mask.sum()


def test_an_unaligned_array_has_the_steps_that_the_file_counts(mosei_pickles: Path) -> None:
    file, raw = open_mosei_pickle(mosei_pickles / FILES["unaligned"]), content(mosei_pickles, "unaligned")["test"]
    for row in range(20):
        length = raw["vision_lengths"][row]
        assert np.array_equal(file.parts["test"].steps("vision", row), raw["vision"][row][:length])
        assert file.parts["test"].step_count("vision", row) == length
        mask = raw["text_bert"][row, 1] == 1
        assert np.array_equal(file.parts["test"].steps("text", row), raw["text"][row][mask])


def test_numbers_that_audio_lacks_are_zero_and_counted(mosei_pickles: Path, tmp_path: Path) -> None:
    raw = content(mosei_pickles, "aligned")
    audio = raw["train"]["audio"]
    audio[1, 0, 3], audio[1, 1, 5], audio[1, 1, 6] = np.nan, -np.inf, np.inf
    short = int(np.argmin(raw["train"]["text_bert"][:, 1, -1]))
    audio[short, -1, 0] = -np.inf  # beyond its words
    raw["train"]["vision"][1, 0, 0] = np.nan
    file = reopened(raw, tmp_path)
    steps = file.parts["train"].steps("audio", 1)
    assert (steps[0, 3], steps[1, 5], steps[1, 6]) == (0, 0, np.inf)
    assert np.isnan(file.parts["train"].steps("vision", 1)[0, 0])  # the store refuses it by name
    assert file.notes()[1] == "7 audio values are -inf or NaN and are read as 0"


@pytest.mark.parametrize("numbers", [list, np.array, np.float32])
@pytest.mark.parametrize("texts", [list, np.array, lambda one: np.array(one, dtype=object)])
def test_labels_and_ids_may_be_lists_or_arrays(
    mosei_pickles: Path, tmp_path: Path, numbers: Callable[[Any], Any], texts: Callable[[Any], Any]
) -> None:
    raw = content(mosei_pickles, "unaligned")
    expected = open_mosei_pickle(mosei_pickles / FILES["unaligned"])
    for part in raw.values():
        for item in ("regression_labels", "audio_lengths", "vision_lengths"):
            part[item] = numbers(part[item])
        for item in ("id", "raw_text"):
            part[item] = texts(part[item])
    found = reopened(raw, tmp_path)
    assert [one.utterance_id for one in found.clips] == [one.utterance_id for one in expected.clips]
    np.testing.assert_allclose([one.sentiment for one in found.clips], [one.sentiment for one in expected.clips], 1e-6)
    assert np.array_equal(found.parts["dev"].lengths["audio"], expected.parts["dev"].lengths["audio"])


def test_labels_may_be_a_column_or_whole_numbers(mosei_pickles: Path, tmp_path: Path) -> None:
    raw = content(mosei_pickles, "aligned")
    raw["train"]["regression_labels"] = raw["train"]["regression_labels"][:, None]
    raw["test"]["regression_labels"] = np.rint(raw["test"]["regression_labels"]).astype(np.int64)
    labels = [each.sentiment for each in open_mosei_pickle(mosei_pickles / FILES["aligned"]).clips]
    found = reopened(raw, tmp_path)
    assert [each.sentiment for each in found.clips if each.part == "train"] == labels[:60]
    assert [each.sentiment for each in found.clips if each.part == "test"] == np.rint(labels[-20:]).tolist()


@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_other_protocols_hold_the_same(mosei_pickles: Path, tmp_path: Path, protocol: int) -> None:
    raw, expected = content(mosei_pickles, "unaligned"), open_mosei_pickle(mosei_pickles / FILES["unaligned"])
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(raw, protocol=protocol))
    found = open_mosei_pickle(path)
    assert found.clips == expected.clips
    for part, features in expected.parts.items():
        for array in ARRAYS:
            assert np.array_equal(found.parts[part].steps(array, 3), features.steps(array, 3))


def _set(part: str, item: str, value: Any) -> Change:  # noqa: ANN401 - anything that a file may hold
    return lambda raw: raw[part].update({item: value(raw[part][item]) if callable(value) else value})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw.pop("valid"), r"changed.pkl lacks valid; pass a processed file"),
        (lambda raw: raw.update(valid=[]), "part valid is a list, not a dict"),
        (lambda raw: raw["test"].pop("vision"), "part test has no vision, only raw_text, audio, id"),
        (lambda raw: raw["test"].pop("audio_lengths"), "part test has no audio_lengths"),
        (
            _set("train", "id", lambda ids: ["-3g5yACwYnA_10", *ids[1:]]),
            "row 0: id '-3g5yACwYnA_10' is not of the form video",
        ),
        (
            _set("train", "id", lambda ids: ["a\x1b[31m$_$1", *ids[1:]]),
            r"id 'a\\x1b\[31m\$_\$1' is not of the form video",
        ),
        (_set("train", "id", lambda ids: ["../a$_$1", *ids[1:]]), r"id '../a\$_\$1' is not of the form video"),
        (
            _set("train", "id", lambda ids: [one.encode() for one in ids]),
            "one text per utterance, not a bytes",
        ),
        (_set("train", "raw_text", lambda ids: [None] * len(ids)), "raw_text is .* one text per utterance, not a None"),
        (_set("train", "id", lambda ids: [ids[1], *ids[1:]]), r"in train row 0 and in train row 1"),
        (_set("test", "raw_text", lambda texts: texts[:-1]), r"raw_text is a list, expected one value per utterance"),
        (_set("test", "regression_labels", lambda labels: labels * 2), "regression_labels are not all from -3 to 3"),
        (
            _set("test", "regression_labels", lambda labels: np.where(np.arange(len(labels)) == 7, np.nan, labels)),
            "not all from -3 to 3: 1 of 20 are not, the first in row 7, nan",
        ),
        (_set("test", "regression_labels", lambda labels: np.tile(labels, (7, 1)).T), r"is shape \(20, 7\), float64"),
        (_set("test", "regression_labels", [1 << 2000] * 20), "expected numbers of ordinary size"),
        (_set("test", "regression_labels", [np.zeros(3)] * 20), "one number per utterance, not a ndarray"),
        (_set("test", "regression_labels", ["x"] * 20), "regression_labels is a list, expected one number"),
        (
            _set("test", "audio", lambda audio: audio[:, :, 0]),
            r"audio is shape \(20, 60\), float32, expected floating",
        ),
        (
            _set("test", "audio", lambda audio: audio[:, :, :0]),
            r"shape \(20, 60, 0\), float32, expected floating",
        ),
        (_set("test", "audio", lambda audio: np.zeros(audio.shape, "i8")), "int64, expected floating-point numbers"),
        (_set("test", "audio", lambda audio: audio[:-1]), r"shape \(19, 60, 74\)"),
        (_set("test", "audio", lambda audio: audio[:, :, :-1]), r"audio of different widths \[73, 74\]"),
        (_set("test", "text_bert", lambda tokens: tokens[:, :2]), r"text_bert is shape \(20, 2, 20\)"),
        (_set("test", "audio_lengths", [61] * 20), "audio_lengths are not all from 0 to the 60 steps of audio"),
        (_set("test", "audio_lengths", [-1] * 20), "not all from 0"),
        (_set("test", "audio_lengths", [1.5] * 20), "not all from 0"),
        (lambda raw: [raw["test"].pop(f"{name}_lengths") for name in ("audio", "vision")], "some parts are aligned"),
        (
            lambda raw: [part.pop(f"{name}_lengths") for part in raw.values() for name in ("audio", "vision")],
            r"audio is shape \(60, 60, 74\), float32, expected aligned to 20 words, as the file has no audio_lengths",
        ),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(
    mosei_pickles: Path, tmp_path: Path, change: Change, reason: str
) -> None:
    raw = content(mosei_pickles, "unaligned")
    change(raw)
    with pytest.raises(CorpusError, match=reason):
        reopened(raw, tmp_path)


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="lacks train, valid, test; pass a processed file of CMU-MOSEI"):
        reopened([1, 2, 3], tmp_path)

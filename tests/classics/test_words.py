"""Word classics, their neighbours, and lines that training and test share."""

from pathlib import Path

import numpy as np
import pytest

from merflow.classics import words
from merflow.classics.folds import folds_of
from merflow.classics.repeated_lines import left_out_of_training, repeated_dialogues
from merflow.corpus.manifest import Manifest
from merflow.errors import EvaluationError
from tests.classics.corpora import corpus_of_words, splits_of


def test_tfidf_learns_words_that_tell_the_emotion(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path, scripted=False)
    fold = folds_of(manifest, splits_of(manifest))[0]
    outcome = words.of_turn(fold, words.texts_of(manifest, transcripts="truth"))
    assert outcome.probabilities.argmax(axis=1).tolist() == fold.labels["test"].tolist()


def test_neighbours_are_the_turns_around_without_the_turn_itself(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    texts = {name: name for name in manifest.rows["utterance_id"]}
    around = words.neighbours_of(manifest, texts)
    assert around["S1_impro_0"].split() == [f"S1_impro_{turn}" for turn in (1, 2, 3, 4)]
    assert around["S1_impro_5"].split() == [f"S1_impro_{turn}" for turn in (1, 2, 3, 4, 6, 7)]


def test_the_way_to_add_neighbours_is_chosen_on_development_data(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    fold = folds_of(manifest, splits_of(manifest))[0]
    texts = words.texts_of(manifest, transcripts="truth")
    outcome = words.of_turn_and_neighbours(fold, texts, words.neighbours_of(manifest, texts))
    assert outcome.settings.startswith("neighbours")
    assert outcome.probabilities.shape == (len(fold.ids["test"]), 4)


def test_the_leak_baseline_forgets_the_script_and_nothing_else(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    fold = folds_of(manifest, splits_of(manifest))[0]
    texts = words.texts_of(manifest, transcripts="truth")
    repeated = repeated_dialogues(manifest, texts)
    assert repeated["S1_script"] == {f"S{session}_script" for session in range(2, 6)}
    assert repeated["S1_impro"] == frozenset()
    left_out = left_out_of_training(fold, manifest, texts, repeated)
    assert {name.split("_")[1] for name in left_out["S1_script_0"]} == {"script"}
    seen, unseen = words.of_turn(fold, texts), words.of_unseen_lines(fold, texts, left_out)
    scripted = np.array(["script" in name for name in fold.ids["test"]])
    right = [each.probabilities.argmax(axis=1) == fold.labels["test"] for each in (seen, unseen)]
    assert right[0][scripted].all()
    assert right[1][scripted].mean() < 0.5
    assert right[1][~scripted].all()


def test_turns_without_neighbours_are_read_alone(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path, scripted=False)
    fold = folds_of(manifest, splits_of(manifest))[0]
    texts = words.texts_of(manifest, transcripts="truth")
    outcome = words.of_turn_and_neighbours(fold, texts, dict.fromkeys(texts, ""))
    assert outcome.probabilities.argmax(axis=1).tolist() == fold.labels["test"].tolist()


def test_training_without_words_is_refused(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    fold = folds_of(manifest, splits_of(manifest))[0]
    silent = dict.fromkeys(manifest.rows["utterance_id"], "")
    with pytest.raises(EvaluationError, match=r"fold 1: no training utterance has words; set classics.words=false"):
        words.of_turn(fold, silent)


def test_nothing_can_be_learned_from_repeated_lines_alone(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    scripted = Manifest(
        manifest.rows[manifest.rows["scripted"].astype(bool)].reset_index(drop=True),
        tmp_path,
        "table",
        manifest.taxonomy,
    )
    fold = folds_of(scripted, splits_of(scripted))[0]
    texts = words.texts_of(scripted, transcripts="truth")
    left_out = left_out_of_training(fold, scripted, texts, repeated_dialogues(scripted, texts))
    probabilities = words.of_unseen_lines(fold, texts, left_out).probabilities
    assert (probabilities == 0.25).all()

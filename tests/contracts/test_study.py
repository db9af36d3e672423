"""Files of a study: they are read back as written, and files of other formats are refused with a remedy."""

import json
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.study import (
    SearchFile,
    StudyResults,
    StudyRunFile,
    TrialResult,
    read_search_file,
    read_study_results,
    read_study_run,
    write_search_file,
    write_study_results,
    write_study_run,
)
from merflow.errors import FormatError
from tests.tuning.studies import subject

TRIALS = (
    TrialResult(
        trial=3, figure=0.7, folds={1: 0.6, 2: 0.8}, values={"recipe.lr": 0.01, "config.dims": 32}, seconds=2.5
    ),
    TrialResult(trial=0, figure=0.6, folds={1: 0.5, 2: 0.7}, values={"config.heads": None}, seconds=None),
)
RESULTS = StudyResults(
    preset="context-mmt:mine",
    subject=subject(),
    trials={"complete": 2, "pruned": 1},
    untuned=TRIALS[1],
    ranked=TRIALS,
    importance={"recipe.lr": 0.9, "config.dims": 0.1},
)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_study_results(tmp_path / "study.json", RESULTS)
    again = read_study_results(tmp_path / "study.json")
    assert again == RESULTS
    assert again.best.trial == 3
    assert again.settings == ("recipe.lr", "config.dims", "config.heads")


def test_a_search_is_read_as_it_was_written_but_for_the_password(params: Params, tmp_path: Path) -> None:
    tuning = params.tuning.model_copy(update={"storage": "postgresql://me:secret@host/db"})
    written = SearchFile(
        url="postgresql+psycopg://me@host/db", name="test", tuning=tuning, training=params.training, subject=subject()
    )
    write_search_file(tmp_path / "search.json", written)
    assert "secret" not in (tmp_path / "search.json").read_text()
    again = read_search_file(tmp_path / "search.json")
    assert again.tuning.storage == "postgresql://me@host/db"
    assert again == written.model_copy(update={"tuning": again.tuning})


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = StudyRunFile(
        uri=None, experiment="merflow", name="tune x", study_id="0123", tags={"variant": "x"}, params={"a": {"b": 1}}
    )
    write_study_run(tmp_path / "run.json", run)
    assert read_study_run(tmp_path / "run.json") == run


@pytest.mark.parametrize("read", [read_search_file, read_study_results, read_study_run])
def test_files_of_the_first_format_are_refused_with_what_to_do(read: object, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"study": {"variant": "mfdr:full"}, "best": {"dev_UA": 0.5}}))
    assert callable(read)
    with pytest.raises(FormatError, match=r"format 1.*reads format 3; run the same `merflow tune` command again"):
        read(path)

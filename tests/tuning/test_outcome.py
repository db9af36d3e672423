"""The outcome of a study: its table, its importance, its page and its figures."""

import re
from pathlib import Path

import optuna
import pytest

from merflow.contracts.history import EpochFigures
from merflow.contracts.task import SCALES, Classification, Task
from merflow.errors import TuningError
from merflow.training.history import FoldHistory
from merflow.tuning.figures import FIGURES, write_figures, write_page
from merflow.tuning.objective import Judge, objective_of
from merflow.tuning.outcome import Outcome
from merflow.tuning.worker import Attempt
from tests.tuning.studies import made, params, searched, space, subject


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    return searched(tmp_path_factory.mktemp("study"), trials=12, pruning_trials=4)


def test_the_table_has_every_trial_and_the_best_is_the_highest(study: optuna.Study) -> None:
    found = Outcome.of(study, seed=0)
    table = found.table(figure="UA")
    assert list(table["trial"]) == list(range(12))
    complete = table[table["state"] == "complete"]
    assert found.best.figure == complete["dev_UA"].max() == study.best_value
    assert found.best.number == study.best_trial.number
    assert found.counts == table["state"].value_counts().to_dict()
    assert found.counts["pruned"] > 0
    assert found.untuned is not None
    assert found.untuned.values == space().defaults()


def test_importance_finds_the_settings_that_the_objective_depends_on(study: optuna.Study) -> None:
    shares = Outcome.of(study, seed=0).importance
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) in ("config.dropout", "config.dims")
    assert shares == Outcome.of(study, seed=0).importance


def test_a_study_without_a_complete_trial_is_reported(tmp_path: Path) -> None:
    study = made(tmp_path, params())
    found = Outcome.of(study, seed=0)
    assert (found.counts, found.importance) == ({"waiting": 1}, {})
    with pytest.raises(TuningError, match=r"none of 1 trial\(s\) is complete: {'waiting': 1}; run the same command"):
        _ = found.best


def test_the_page_loads_no_other_file_and_the_figures_are_drawn(study: optuna.Study, tmp_path: Path) -> None:
    found = Outcome.of(study, seed=0)
    results = found.results(subject(), preset="context-mmt:mine")
    write_page(study, tmp_path / "study.html", results=results)
    page = (tmp_path / "study.html").read_text()
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert page.count('class="plotly-graph-div"') == len(FIGURES)
    assert "context-mmt:mine, tuned from context-mmt:mmt-frozen" in page
    assert "preset's own" in page
    drawn = write_figures(study, tmp_path / "figures", results=results)
    assert [path.stem for path in drawn] == list(FIGURES)
    for path in drawn:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size > 10_000


def test_no_importance_is_computed_from_few_trials(tmp_path: Path) -> None:
    study = searched(tmp_path, trials=2)
    found = Outcome.of(study, seed=0)
    assert found.importance == {}
    results = found.results(subject(), preset="context-mmt:mine")
    drawn = write_figures(study, tmp_path / "figures", results=results)
    assert [path.stem for path in drawn] == ["history", "steps"]


def test_the_page_of_a_study_of_scores_shows_the_ccc(study: optuna.Study, tmp_path: Path) -> None:
    of_scores = subject().model_copy(update={"objective": objective_of(SCALES["valence"])})
    found = Outcome.of(study, seed=0)
    write_page(study, tmp_path / "study.html", results=found.results(of_scores, preset="context-mmt:mine"))
    page = (tmp_path / "study.html").read_text()
    assert f"reached a CCC of {found.best.figure:.3f} on development data" in page
    assert "UA" not in page.partition("plotly")[0]
    assert {"dev_CCC"} <= set(found.table(figure=of_scores.figure))


def test_the_figure_of_a_trial_follows_the_task() -> None:
    row = {"epoch": 1, "stage": 1, "train_loss": 1.0, "dev_loss": 1.0, "lr": 0.1, "seconds": 1.0}
    of_task: dict[Task, dict[str, float]] = {
        SCALES["valence"]: {"dev_mae": 0.4, "dev_ccc": 0.25, "dev_pearson": 0.9},
        Classification(("happy", "sad")): {"dev_ua": 0.25, "dev_wa": 0.9},
    }
    assert len(of_task) == 2
    for task, figures in of_task.items():
        history = FoldHistory((EpochFigures.of_row(row | figures),), best_epoch=1)
        attempt = Attempt(optuna.create_study().ask(), number=0, values={})
        judge = Judge(attempt, (), 1, task)
        judge.fold_done(1, history)
        assert judge.verdict == 0.25

"""A package contains a variant's models, evidence and calibration; a benchmark that lacks one is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.fold_record import FOLD_RECORD, read_fold_record
from merflow.contracts.history import read_history
from merflow.contracts.model_package import PREDICTIONS_FILE, REFERENCE_FILE, UTTERANCES_FILE, read_package
from merflow.contracts.results import read_results
from merflow.contracts.tables import MEASURED, PREDICTIONS, TESTED, read_table
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import EvaluationError, FormatError, OutputError, PromotionError
from merflow.evaluation.metrics import unweighted_accuracy
from merflow.jobs.register import PackageSettings, build
from merflow.promotion.packaging.benchmarked import find_variant
from merflow.runs.fold_folder import folds_below, read_predictions
from tests.promotion.packaging.benchmarks import VARIANT, emotion_calibration, packaged


def test_an_ensemble_has_the_folds_own_models(benchmark: Path, ensemble: Path) -> None:
    package = read_package(ensemble)
    assert (package.kind, package.variant, package.promotable) == ("ensemble", VARIANT, True)
    assert [member.fold for member in package.members] == [1, 2]
    folds = sorted(folds_below(benchmark / "folds"))
    for member, fold in zip(package.members, folds, strict=True):
        for file in ("model.safetensors", FOLD_RECORD, "standardizer.safetensors"):
            assert (ensemble / member.folder / file).read_bytes() == (fold / "model" / file).read_bytes()
    chosen = [read_fold_record(fold / "model").chosen.epoch for fold in folds]
    assert list(package.fold_epochs) == chosen
    assert [member.epochs for member in package.members] == chosen, "one stage"


def test_the_package_names_its_sources(benchmark: Path, ensemble: Path) -> None:
    package, results = read_package(ensemble), read_results(benchmark / "results.json")
    lineage = package.lineage
    assert (lineage.corpus, lineage.split_id) == ("synthetic", results.split_id)
    assert lineage.manifest_hash == results.manifest_hash
    assert len(lineage.fold_fingerprints) == 2
    assert len(lineage.benchmark_run) == len(lineage.variant_run) == 32
    assert package.synthetic
    assert "merflow" in package.data_licence
    assert package.modalities == ("audio", "text")
    assert package.encoders.keys() == {"speech_layers", "text_layers"}
    shortest, longest = package.training_seconds
    assert 0 < shortest < longest


def test_the_evidence_gives_the_benchmark_s_own_figure(benchmark: Path, ensemble: Path) -> None:
    package = read_package(ensemble)
    rows, metadata = read_table(ensemble / PREDICTIONS_FILE, PREDICTIONS)
    labels = rows["label"].map(package.classes.index).to_numpy()
    predicted = np.stack(rows["probabilities"].tolist()).argmax(axis=1)
    results = read_results(benchmark / "results.json")
    assert unweighted_accuracy(labels, predicted, classes=4) == results.variants[VARIANT].ua.pooled
    assert metadata["classes"] == "angry,happy,neutral,sad"
    utterances, _ = read_table(ensemble / UTTERANCES_FILE, TESTED)
    assert set(utterances["utterance_id"]) == set(rows["utterance_id"])
    assert len(utterances) == 60
    assert "transcript" not in utterances.columns
    measured, _ = read_table(ensemble / REFERENCE_FILE, MEASURED)
    assert measured["utterance_id"].tolist() == utterances["utterance_id"].tolist()
    assert measured["duration_s"].tolist() == utterances["duration_s"].tolist()
    assert measured["level_dbfs"].between(-60, -5).all()
    assert measured["words"].min() >= 0
    assert measured["words"].sum() > 60


def test_every_test_utterance_counts_in_the_calibration(ensemble: Path) -> None:
    calibration = emotion_calibration(ensemble)
    assert calibration.grouped_by == "gender"
    assert calibration.thresholds.keys() == {"F", "M", ANY_GROUP}
    assert calibration.thresholds[ANY_GROUP] == min(calibration.thresholds.values())
    groups = calibration.held_out.groups
    assert groups["F"].utterances + groups["M"].utterances == groups[ANY_GROUP].utterances == 60
    assert calibration.utterances[ANY_GROUP] == calibration.utterances["F"] + calibration.utterances["M"]


def test_a_refit_learns_from_every_utterance_and_quotes_no_figure(benchmark: Path, refitted: Path) -> None:
    (member,) = read_package(refitted).members
    record = read_fold_record(refitted / member.folder)
    assert member.fold is None
    assert record.fold == 0
    assert (record.chosen.dev_ua, record.chosen.dev_loss, record.none_paper) == (None, None, None)
    assert str(record.selection) == "median epoch of the folds, with no data set aside"
    text = (refitted / member.folder / FOLD_RECORD).read_text()
    results = read_results(benchmark / "results.json").variants[VARIANT]
    figures = [results.ua.pooled, results.wa.pooled, *(fold.ua for fold in results.folds)]
    figures += [epoch.dev_ua for fold in folds_below(benchmark / "folds") for epoch in read_history(fold)]
    assert [figure for figure in figures if str(figure)[:6] in text and figure not in (0, 0.5, 1)] == []
    chosen = sorted(read_package(refitted).fold_epochs)
    assert member.epochs == record.epochs == int(sum(chosen) / 2 + 0.5)
    splits = read_splits(benchmark / "splits.parquet")
    assert record.split_id != splits.split_id


def test_both_kinds_share_evidence_and_calibration(ensemble: Path, refitted: Path) -> None:
    for name in (PREDICTIONS_FILE, UTTERANCES_FILE, "calibration.json"):
        assert (ensemble / name).read_bytes() == (refitted / name).read_bytes()


def test_the_job_says_what_it_made(benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = PackageSettings(kind="ensemble", stress_utterances=0, device="cpu")
    build(benchmark, VARIANT, out=tmp_path / "package", settings=settings, command="")
    assert f"{VARIANT}, an ensemble of 2 fold models; sets for 90.0% coverage" in capsys.readouterr().err


def test_an_unknown_variant_names_the_nearest(benchmark: Path) -> None:
    with pytest.raises(PromotionError, match=r"no variant 'context-mmt:mmt-frozn'; did you mean 'context-mmt:mmt-froz"):
        find_variant(benchmark, "context-mmt:mmt-frozn")


def copied(benchmark: Path, out: Path) -> Path:
    """Copy what promotion reads of a benchmark."""
    shutil.copytree(benchmark, out, ignore=shutil.ignore_patterns("store", "ml*", "report*", "tracking"))
    return out


def test_an_unfinished_benchmark_is_refused(benchmark: Path, tmp_path: Path) -> None:
    run = copied(benchmark, tmp_path / "run")
    shutil.rmtree(max(folds_below(run / "folds")))
    with pytest.raises(PromotionError, match=r"fold 2 seed 0 of .* is missing \(1 of 2 are\); finish"):
        find_variant(run, VARIANT)
    (run / "results.json").unlink()
    with pytest.raises(PromotionError, match=r"is not finished \(results.json is missing\)"):
        find_variant(run, VARIANT)


def test_a_variant_chosen_on_test_data_is_refused(benchmark: Path, tmp_path: Path) -> None:
    run = copied(benchmark, tmp_path / "run")
    path = min(folds_below(run / "folds")) / "model" / FOLD_RECORD
    text = path.read_text()
    assert text.count('"data": "random"') == 1
    path.write_text(text.replace('"data": "random"', '"data": "test"'))
    with pytest.raises(PromotionError, match=r"chose its epoch on test data .* cannot be promoted"):
        find_variant(run, VARIANT)


def test_a_benchmark_of_another_version_is_refused(benchmark: Path, tmp_path: Path) -> None:
    run = copied(benchmark, tmp_path / "run")
    text = (run / "results.json").read_text()
    (run / "results.json").write_text(text.replace('"format": 3', '"format": 99'))
    with pytest.raises(FormatError, match=r"results.json"):
        find_variant(run, VARIANT)


def test_a_folder_of_something_else_is_never_replaced(benchmark: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match="is not a model package"):
        packaged(benchmark, tmp_path / "mine")
    assert (tmp_path / "mine" / "diary.txt").is_file()


def test_a_package_that_fails_leaves_nothing(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"coverage 1.5 is not a share"):
        packaged(benchmark, tmp_path / "package", coverage=1.5)
    assert list(tmp_path.iterdir()) == []


def test_the_benchmark_stays_as_it_was(benchmark: Path, ensemble: Path, refitted: Path) -> None:
    assert ensemble.is_dir()
    assert refitted.is_dir()
    assert len(folds_below(benchmark / "folds")) == 2
    assert not list(benchmark.glob("checkpoints/*/*"))
    assert {len(read_predictions(fold)) for fold in folds_below(benchmark / "folds")} <= set(range(20, 41))

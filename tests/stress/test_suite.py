"""The suite on a finished benchmark of five folds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.stress_results import StressResults, read_stress
from merflow.contracts.tables import PREDICTIONS
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import EvaluationError, StressError
from merflow.inference.media_clips import Clip, Samples
from merflow.jobs.stress import PAGE
from merflow.runs.fold_folder import read_missing, read_predictions
from merflow.stress.conditions import catalogue
from merflow.stress.conditions.condition import Condition, SoundChange, WordsChange
from merflow.stress.fold_model import FoldModel, generator
from tests.cli.command import merflow, refused
from tests.stress.conftest import VARIANT
from tests.stress.planted import load_planted, planted_run
from tests.stress.suites import files_of, interrupt_and_finish, kept_predictions, run_suite

CLASSES = ("angry", "happy", "neutral", "sad")
FEW = ("telephone", "noise-0dB", "empty-transcript", "wrong-transcript", "missing-audio", "missing-text")


def stressed(run: Path, out: Path, *, utterances: int = 20, conditions: tuple[str, ...] | None = FEW) -> StressResults:
    results = run_suite(run, out, conditions=conditions, utterances=utterances)
    assert isinstance(results, StressResults)
    return results


def kept(out: Path, condition: str) -> pd.DataFrame:
    return kept_predictions(out, condition, PREDICTIONS)


@pytest.fixture(scope="module")
def whole(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a suite that was never interrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    stressed(finished, out)
    return out


def probabilities(table: pd.DataFrame, utterance_ids: list[str]) -> np.ndarray:
    return np.stack(table.set_index("utterance_id").loc[utterance_ids, "probabilities"].tolist())


def test_every_utterance_is_predicted_by_the_fold_that_tests_it(finished: Path, whole: Path) -> None:
    rows = kept(whole, "unchanged")
    splits = read_splits(finished / "splits.parquet").rows
    tested = splits[splits["part"] == "test"].set_index("utterance_id")["fold"]
    assert len(rows) == rows["utterance_id"].nunique() == 20
    assert rows["fold"].tolist() == tested.loc[rows["utterance_id"]].tolist()
    assert rows["fold"].nunique() == 5
    recorded = pd.concat([read_predictions(path) for path in finished.glob("folds/*/*/fold-*")])
    ids = rows["utterance_id"].tolist()
    np.testing.assert_allclose(probabilities(rows, ids), probabilities(recorded, ids), atol=1e-5)


def test_a_missing_modality_is_what_the_folds_recorded_after_their_training(finished: Path, whole: Path) -> None:
    tables = [read_missing(path) for path in finished.glob("folds/*/*/fold-*")]
    recorded = pd.concat([table for table in tables if table is not None])
    for modality in ("audio", "text"):
        rows = kept(whole, f"missing-{modality}")
        ids = rows["utterance_id"].tolist()
        expected = probabilities(recorded[recorded["missing"] == modality], ids)
        np.testing.assert_allclose(probabilities(rows, ids), expected, atol=1e-5)


def test_the_results_follow_from_the_kept_predictions(whole: Path) -> None:
    results = read_stress(whole)
    assert isinstance(results, StressResults)
    assert [each.name for each in results.conditions] == list(FEW)
    assert {each.utterances for each in results.conditions} == {20}
    before = kept(whole, "unchanged").set_index("utterance_id")
    for each in results.conditions:
        after = kept(whole, each.name).set_index("utterance_id").loc[before.index]
        hits = [
            pd.Series([results.classes[np.argmax(row)] for row in table["probabilities"]], index=table.index)
            for table in (before, after)
        ]
        ua, ua_before = ((hit == before["label"]).groupby(before["label"]).mean().mean() for hit in reversed(hits))
        assert (each.ua, each.delta_ua) == pytest.approx((ua, ua - ua_before))
        assert each.unchanged == pytest.approx((hits[0] == hits[1]).mean())
        assert each.ci95 is not None
        assert each.ci95[0] <= each.delta_ua <= each.ci95[1]
    groups = {(each.by, each.group): each.utterances for each in results.groups}
    assert sum(count for (by, _), count in groups.items() if by == "gender") == 20
    assert len([by for by, _ in groups if by == "session"]) == 5
    assert results.synthetic


def test_an_interrupted_suite_resumes_and_ends_with_the_same_bytes(finished: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupt_and_finish(finished, out, conditions=FEW)
    assert files_of(out) == files_of(whole)


def test_predictions_of_something_else_are_made_again(finished: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    (out / "predictions/fold-1/telephone.parquet").write_bytes(b"damaged")
    shutil.copy(out / "predictions/fold-2/noise-0dB.parquet", out / "predictions/fold-2/telephone.parquet")
    stressed(finished, out)
    assert files_of(out) == files_of(whole)


def test_a_change_that_changes_nothing_costs_exactly_nothing(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = (
        Condition("same-sound", "noise", "nothing", SoundChange(lambda samples, _: samples), 0.0, 1.0),
        Condition("same-words", "transcripts", "nothing", WordsChange(lambda words, _, __: list(words)), 0.0, 1.0),
    )
    monkeypatch.setattr("merflow.stress.suite.chosen", lambda _names: same)
    results = stressed(finished, tmp_path / "out", conditions=("same-sound", "same-words"))
    assert [(each.delta_ua, each.unchanged, each.ci95, each.passed) for each in results.conditions] == [
        (0.0, 1.0, (0.0, 0.0), True)
    ] * 2
    before = probabilities(
        kept(tmp_path / "out", "unchanged"),
        kept(tmp_path / "out", "unchanged")["utterance_id"].tolist(),
    )
    for name in ("same-sound", "same-words"):
        rows = kept(tmp_path / "out", name)
        assert np.array_equal(probabilities(rows, rows["utterance_id"].tolist()), before), "to the last bit"


def test_a_model_that_reads_loudness_alone_is_found_out(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planted_run(finished, tmp_path, CLASSES)
    monkeypatch.setattr("merflow.stress.suite.load_trained", load_planted)
    names = ("gain-minus-20dB", "clipping", "trimmed-ends", "noise-0dB", "wrong-transcript", "missing-text")
    results = stressed(run, tmp_path / "out", utterances=60, conditions=names)
    assert results.ua == 1.0
    by_name = {each.name: each for each in results.conditions}
    assert results.failed == ("gain-minus-20dB",)
    quiet = by_name["gain-minus-20dB"]
    assert quiet.delta_ua < -0.5
    assert quiet.unchanged < 0.5
    for name in ("wrong-transcript", "missing-text"):
        assert (by_name[name].delta_ua, by_name[name].unchanged) == (0.0, 1.0), "it reads no words"
    assert all(each.delta_ua == 0 for each in results.groups)
    page = (tmp_path / "out" / PAGE).read_text()
    assert "bears 5 of 6 conditions" in page
    assert "Under gain-minus-20dB (20 dB quieter), UA falls by" in page


def test_recordings_that_are_not_those_of_the_training_are_refused(finished: Path, tmp_path: Path) -> None:
    run = planted_run(finished, tmp_path, CLASSES)
    with pytest.raises(
        StressError, match=r"predicts other probabilities than after its training, by 0\.\d\d on average"
    ):
        stressed(run, tmp_path / "out")


def test_what_is_unknown_is_named(finished: Path, tmp_path: Path) -> None:
    assert "has no variant 'context-mmt:mmt-frosen'; did you mean 'context-mmt:mmt-frozen'?" in refused(
        "stress", finished, "context-mmt:mmt-frosen"
    )
    assert "no such condition: 'telefone'; did you mean 'telephone'?" in refused(
        "stress", finished, VARIANT, "--conditions", "telefone"
    )
    assert f"{tmp_path}/nowhere is not a folder" in refused("stress", tmp_path / "nowhere", VARIANT)
    assert "condition missing-video cannot be tested: context-mmt:mmt-frozen reads audio and text only" in refused(
        "stress", finished, VARIANT, "--conditions", "telephone,missing-video"
    )
    incomplete = tmp_path / "incomplete"
    shutil.copytree(finished, incomplete, ignore=shutil.ignore_patterns("store", "corpus", "fold-3"))
    with pytest.raises(StressError, match=r"lacks folds \[3\]; finish the run"):
        stressed(incomplete, tmp_path / "out")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EvaluationError, match="no finished fold"):
        stressed(empty, tmp_path / "out")


def test_codecs_without_pyav_are_left_out_and_said_to_be(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_found", lambda package: package != "av")
    with pytest.raises(StressError, match="codec-opus cannot be tested: PyAV is not installed; install it with pip"):
        stressed(finished, tmp_path / "out", conditions=("codec-opus",))
    results = stressed(finished, tmp_path / "out", utterances=4, conditions=None)
    assert [each.name for each in results.skipped] == ["codec-opus", "codec-mp3", "missing-video"]
    assert len(results.conditions) == 16


def test_the_command_prints_json_and_takes_failed_conditions_for_a_result(finished: Path, whole: Path) -> None:
    options = ("--out", whole, "--utterances", 20, "--conditions", ",".join(FEW), "--device", "cpu")
    said = merflow("stress", finished, VARIANT, *options, "--json")
    assert said.code == 0
    assert json.loads(said.out)["suite"] == read_stress(whole).suite
    table = merflow("stress", finished, VARIANT, *options).out
    assert all(name in table for name in FEW)
    assert f"Page: {whole / PAGE}" in table


def test_turns_around_a_clip_are_changed_only_where_the_model_hears_them(finished: Path) -> None:
    from merflow.inference.trained_model import load_trained

    trained = load_trained(finished / "folds" / Path(*VARIANT.split(":")) / "fold-1/model", device="cpu")
    heard: list[Clip] = []
    part = trained.encoders.part

    def spy(clips: list[Clip], modality: object, **options: object) -> object:
        heard.extend(clips)
        return part(clips, modality, **options)  # type: ignore[arg-type]

    trained.encoders.part = spy  # type: ignore[method-assign,assignment]
    turn = Clip("before", audio=next(finished.glob("corpus/**/sentences/wav/*/Ses*.wav")), text="hello there")
    clip = Clip("it", audio=turn.audio, text="fine", before=(turn,))
    model = FoldModel(trained, [clip], device="cpu", seed=0)
    (quiet,) = (each for each in catalogue.CONDITIONS if each.name == "gain-minus-20dB")
    model.under(quiet, words={})
    assert isinstance(heard[0].audio, Samples)
    assert heard[0].before == (turn,), "its neighbours are read, not heard"


def test_noise_of_a_clip_is_its_own_and_the_same_at_all_levels() -> None:
    draws = {
        (seed, family, clip): float(generator(seed, family, clip).normal())
        for seed in (0, 1)
        for family in ("noise", "room")
        for clip in ("a", "b")
    }
    assert len(set(draws.values())) == len(draws) == 8
    assert draws[0, "noise", "a"] == float(generator(0, "noise", "a").normal())

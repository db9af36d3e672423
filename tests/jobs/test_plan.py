"""The plan of a pipeline's run: each step's request holds its own settings, and a change reaches only its own steps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from merflow.contracts.package_facts import VARIABLE, PackageFacts
from merflow.contracts.requests import DataDigests, Request, TrainRequest
from merflow.errors import CorpusError, FeatureError, MerflowError, ParamsError, PresetError, TuningError
from merflow.jobs.list_folds import list_folds
from merflow.jobs.plan import BenchmarkPlan, plan_benchmark, plan_tuning
from merflow.jobs.steps import fingerprint
from merflow.presets.variants import read_video
from merflow.runs.code_closure import code_digests
from tests.jobs.inputs_of_folds import inputs_of_folds
from tests.jobs.tiny_run import SETTINGS

GRU, FULL, BERT = "mfdr:gru", "mfdr:full", "context-mmt:bert-te-frozen"
MINE = {"presets": {"mfdr:mine": {"base": FULL, "config": {"dims": 128}}, "mfdr:other": {"base": FULL}}}


def planned(**changes: object) -> BenchmarkPlan:
    return plan_benchmark(replace(SETTINGS, **changes), command="")  # type: ignore[arg-type]


def requests(plan: BenchmarkPlan) -> dict[str, list[Request]]:
    """Return the requests of every step."""
    ready = plan.preparation
    return {
        "index": [ready.index],
        "validate": [ready.validate],
        "transcribe": [ready.transcribe],
        "split": [ready.split],
        "extract": [ready.extract],
        "track": [plan.track],
        "train": [*trainings(plan)],
        "evaluate": [plan.evaluate],
    }


def trainings(plan: BenchmarkPlan) -> list[TrainRequest]:
    """Return the requests of training on the shipped parameters' five folds."""
    folder = inputs_of_folds()
    request = plan.list_folds.model_copy(update={"workspace": str(folder / "workspace")})
    files = {name: folder / name for name in ("manifest", "splits", "features", "run")}
    return [TrainRequest.from_json(path.read_text()) for path in list_folds(request, **files)]


def changed(**changes: object) -> set[str]:
    """Return the steps whose requests a change of the settings changes."""
    before, after = requests(planned()), requests(planned(**changes))
    return {step for step in before if before[step] != after[step]}


@pytest.mark.parametrize(
    ("params", "steps"),
    [
        ({"evaluation": {"calibration_bins": 10}}, {"evaluate"}),
        ({"tracking": {"experiment": "mine"}}, {"track"}),
        ({"training": {"max_epochs": 2}}, {"track", "train"}),
        ({"features": {"shard_utterances": 64}}, {"extract"}),
        ({"splits": {"seed": 1}}, {"split"}),
        ({"transcription": {"beams": 5}}, {"transcribe"}),
        ({"corpus": {"silence_dbfs": -50.0}}, {"index", "validate", "transcribe", "extract"}),
        ({"tuning": {"trials": 3}}, set()),
    ],
)
def test_a_parameter_reaches_the_steps_that_read_it_and_no_other(params: dict[str, object], steps: set[str]) -> None:
    assert changed(params=json.dumps(params)) == steps


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"name": "other"}, {"track", "evaluate"}),
        ({"quarantine": True}, {"validate"}),
        ({"transcribe": True}, {"transcribe"}),
        ({"size": "small"}, {"index"}),
        ({"task": "valence"}, {"split"}),
    ],
)
def test_a_setting_of_the_run_reaches_the_steps_that_read_it(settings: dict[str, object], steps: set[str]) -> None:
    assert changed(**settings) == steps


def test_a_task_overrides_that_of_the_parameters() -> None:
    plan = planned(task="valence", params="{splits: {task: emotion, seed: 3}}")
    assert (plan.preparation.split.params.task, plan.preparation.split.params.seed) == ("valence", 3)
    assert planned(params="{splits: {task: sentiment}}").preparation.split.params.task == "sentiment"
    with pytest.raises(ParamsError, match="unknown task 'valens'; did you mean 'valence'"):
        planned(task="valens")


def test_a_second_seed_leaves_the_requests_of_the_first_as_they_are() -> None:
    one, two = planned(), planned(params="{plan: {seeds: [0, 1]}}")
    assert len(trainings(one)) == 5
    assert set(trainings(one)) < set(trainings(two))


def test_a_second_variant_leaves_the_folds_of_the_first_as_they_are() -> None:
    one, two = planned(), planned(models=[GRU, BERT])
    assert trainings(two)[::2] == trainings(one)
    assert [request.fold for request in trainings(two)[1::2]] == [f"{BERT}:{fold}" for fold in range(1, 6)]


def test_a_fold_depends_on_its_own_preset_and_extraction_on_the_streams() -> None:
    gru, full = planned(models=[GRU]), planned(models=[FULL])
    assert trainings(gru)[0].code != trainings(full)[0].code
    assert (
        gru.preparation.extract.code == full.preparation.extract.code != planned(models=[BERT]).preparation.extract.code
    )


def test_user_presets_go_where_they_are_read_each_to_its_own_folds() -> None:
    text = yaml.safe_dump(MINE)
    plan = planned(models=[GRU, "mfdr:mine"], presets=text)
    only_mine = {"presets": {"mfdr:mine": MINE["presets"]["mfdr:mine"]}}
    assert [request.presets for request in trainings(plan)[::2]] == [""] * 5
    assert [json.loads(request.presets) for request in trainings(plan)[1::2]] == [only_mine] * 5
    assert json.loads(plan.preparation.extract.presets) == only_mine


def test_a_users_profile_travels_to_extraction_and_is_checked_in_the_plan(tmp_path: Path) -> None:
    layers = "{name: lite-text-layers, settings: {width: 64, layers: 2}}"
    text = f"{{name: mine, base: lite, roles: {{text_layers: {layers}}}}}"
    plan, lite = planned(models=[BERT], profile=text), planned(models=[BERT])
    assert plan.preparation.extract.profile == text
    assert plan.preparation.extract.encoders == ""
    assert plan.preparation.split == lite.preparation.split
    with pytest.raises(PresetError, match=r"profile: 1 problem.*\n  roles: unknown role 'txt'; did you mean 'text'"):
        planned(models=[BERT], profile="{base: lite, roles: {txt: {name: lite-text}}}")
    missing = f"{{base: paper, roles: {{text_layers: {{name: bert, settings: {{model: {tmp_path}, layers: all}}}}}}}}"
    with pytest.raises(FeatureError, match=rf"encoder 'bert': {tmp_path} lacks config.json"):
        planned(models=[BERT], profile=missing)


@pytest.mark.parametrize(
    ("variants", "video"),
    [
        (["context-mmt:mmt-frozen", "foal-net:audio-only", "gia-mic:st"], False),
        (["mfdr:full", "foal-net:video-only"], True),
        (["gia-mic:full"], True),
    ],
)
def test_the_plan_says_whether_a_variant_reads_video(variants: list[str], video: bool) -> None:
    assert read_video(variants) is video
    plan = planned(models=variants)
    assert [request.fold for request in trainings(plan)] == [
        f"{each}:{fold}" for fold in range(1, 6) for each in variants
    ]
    assert plan.preparation.index.video is video


def test_data_and_local_models_are_known_by_their_files(tmp_path: Path, tiny_release: Path) -> None:
    whisper, encoders = tmp_path / "whisper", tmp_path / "encoders"
    for folder in (whisper, encoders):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    params = json.dumps({"transcription": {"model": str(whisper)}, "features": {"encoders_folder": str(encoders)}})
    settings = {"corpus": "iemocap", "root": str(tiny_release), "params": params, "transcribe": True}
    before = planned(**settings).preparation
    assert before.index.data == before.validate.data == before.transcribe.data != ""
    (whisper / "config.json").write_text("{ }")
    after = planned(**settings).preparation
    assert before.transcribe.recognizer != after.transcribe.recognizer != ""
    assert (before.index, before.extract) == (after.index, after.extract)
    (encoders / "weights").write_text("")
    assert planned(**settings).preparation.extract.encoders != after.extract.encoders != ""


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"models": ["mfdr:gruu"]}, PresetError, "did you mean"),
        ({"corpus": "table"}, CorpusError, "needs a root"),
        ({"params": "{training: {max_epoch: 3}}"}, ParamsError, "training.max_epoch: unknown key; did you mean"),
        ({"params": "max_epochs=3"}, ParamsError, "is not a mapping; write it as {training: {max_epochs: 6}}"),
        ({"params": "[1"}, ParamsError, "is not YAML"),
        ({"params": "{cluster: {pvc: other}}"}, ParamsError, "merflow pipeline compile --set cluster.KEY=VALUE"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(
    settings: dict[str, object], error: type[MerflowError], message: str
) -> None:
    with pytest.raises(error) as caught:
        planned(**settings)
    assert message in str(caught.value)


def test_a_study_has_a_request_for_each_worker() -> None:
    plan = plan_tuning(replace(SETTINGS, params="{tuning: {workers: 3}}"), preset="mine")
    assert [request.worker for request in plan.trials] == [0, 1, 2]
    assert (plan.study.variant, plan.study.params.workers, plan.choice.preset) == (GRU, 3, "mine")


@pytest.mark.parametrize(
    ("corpus", "protocol", "folds"), [("synthetic", "session-5fold", [1, 2]), ("synthetic-mosei", "official", [1])]
)
def test_requests_are_the_same_if_the_usual_choices_are_named(corpus: str, protocol: str, folds: list[int]) -> None:
    settings = replace(SETTINGS, corpus=corpus)
    named = replace(settings, params=json.dumps({"splits": {"protocol": protocol}, "tuning": {"folds": folds}}))
    usual, study = plan_benchmark(settings, command=""), plan_tuning(settings, preset="")
    assert usual == plan_benchmark(named, command="")
    assert study == plan_tuning(named, preset="")
    assert usual.preparation.split.params.protocol == protocol
    assert study.study.params.folds == folds


def test_the_protocol_of_a_table_is_left_to_its_utterances(tiny_table: Path) -> None:
    plan = plan_tuning(replace(SETTINGS, corpus="table", root=str(tiny_table)), preset="")
    assert (plan.preparation.split.params.protocol, plan.study.params.folds) == ("auto", "auto")


def test_a_study_is_of_folds_that_the_protocol_has() -> None:
    settings = replace(SETTINGS, corpus="synthetic-mosei", params="{tuning: {folds: [1, 2]}}")
    with pytest.raises(TuningError, match="official has no fold 2; its last one is 1"):
        plan_tuning(settings, preset="")


def test_a_study_is_of_one_variant_and_takes_no_password() -> None:
    with pytest.raises(TuningError, match="one variant, 2 are given"):
        plan_tuning(replace(SETTINGS, models=[GRU, FULL]), preset="")
    with pytest.raises(ParamsError, match="PGPASSWORD"):
        plan_tuning(replace(SETTINGS, params="{tuning: {storage: 'postgresql://me:secret@host/studies'}}"), preset="")


def test_a_run_may_not_ask_for_what_its_package_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = PackageFacts(
        gpus={"transcribe": 0, "extract": 0, "train": 1}, shared_volume=True, scratch=False, compiler=False, code={}
    )
    monkeypatch.setenv(VARIABLE, facts.model_dump_json())
    with pytest.raises(ParamsError, match=r"tracking\.uri auto would be SQLite"):
        planned()
    server = "tracking: {uri: 'http://mlflow:5000'}"
    planned(params=f"{{{server}}}")
    with pytest.raises(ParamsError, match="step transcribe would use a GPU"):
        planned(params=f"{{{server}}}", transcribe=True)
    with pytest.raises(ParamsError, match=r"training\.compile default needs a C compiler"):
        planned(params=f"{{{server}, training: {{compile: default}}}}")


def test_a_recognizer_counts_only_where_recordings_are_transcribed(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"1")
    local = json.dumps({"transcription": {"model": str(tmp_path)}})
    assert planned(params=local).preparation.transcribe.recognizer == ""
    assert planned(params=local, transcribe=True).preparation.transcribe.recognizer != ""


def test_digests_that_a_first_step_took_are_those_of_the_requests() -> None:
    digests = DataDigests(corpus="c", encoders="e", recognizer="r")
    ready = planned(digests=digests.model_dump_json()).preparation
    assert {ready.index.data, ready.validate.data, ready.transcribe.data} == {"c"}
    assert (ready.extract.encoders, ready.transcribe.recognizer) == ("e", "r")
    said = fingerprint(corpus="synthetic", root="", transcribe=False, profile="", params="", workspace="")
    assert DataDigests.model_validate_json(said) == DataDigests(corpus="", encoders="", recognizer="")


def test_a_package_runs_on_images_with_its_own_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"params": "{tracking: {uri: none}}"}
    for code, refused in ((code_digests(), ""), (code_digests() | {"train": "0", "models": "0"}, "in models, train;")):
        facts = PackageFacts(gpus={}, shared_volume=True, scratch=False, compiler=False, code=code)
        monkeypatch.setenv(VARIABLE, facts.model_dump_json())
        if refused:
            with pytest.raises(ParamsError, match=f"the image has other code than this package .* {refused}"):
                planned(**settings)
        else:
            planned(**settings)

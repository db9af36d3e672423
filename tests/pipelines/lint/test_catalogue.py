"""Every rule finds a package that is broken on purpose, and a good one breaks none."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("kfp")

from merflow.contracts.params_files import shipped_params, with_changes
from merflow.errors import PipelineError
from merflow.pipelines.lint.catalogue import RULES, Finding, lint
from merflow.pipelines.lint.package import Package
from merflow.pipelines.lint.sizes import ARGUMENT_BYTES
from merflow.pipelines.packages import PIPELINES, SERVERS, compile_packages
from tests.pipelines.lint import shapes

IMAGE = f"registry.example:5000/merflow/python@sha256:{'0' * 64}"
Documents = list[dict[str, Any]]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return packages without a finding, by name."""
    folder = tmp_path_factory.mktemp("packages")
    params = with_changes(shipped_params(), str(SERVERS | {"cluster": {"image": IMAGE}}))
    return {path.stem: path for path in compile_packages(folder, params=params)}


def container(documents: Documents, step: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = documents[0]["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
    return found


def pod(documents: Documents, step: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{step}"]
    return found


def task(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents[0]["components"]["comp-for-loop-1"]["dag"]["tasks"]["train"]
    return found


def inputs(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents[0]["root"]["inputDefinitions"]["parameters"]
    return found


def root(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents[0]["root"]["dag"]["tasks"]
    return found


def _many_tasks(documents: Documents) -> None:
    root(documents).update({f"copy-{number}": deepcopy(root(documents)["validate"]) for number in range(90)})


# Rule -> what breaks it in a good package of the benchmark, and a part of the place that is named.
BROKEN: dict[str, tuple[Callable[[Documents], Any], str]] = {
    "many-tasks": (_many_tasks, "the pipeline"),
    "cached-first-step": (
        lambda it: root(it)["fingerprint"].update(cachingOptions={"enableCache": True}),
        "fingerprint",
    ),
    "memory-limit": (lambda it: container(it, "split")["resources"].pop("resourceMemoryLimit"), "split"),
    "cpu-request": (lambda it: container(it, "split")["resources"].pop("resourceCpuRequest"), "split"),
    "gpu-count": (lambda it: container(it)["resources"]["accelerator"].pop("resourceCount"), "for-loop-1/train"),
    "gpu-toleration": (lambda it: pod(it).pop("tolerations"), "for-loop-1/train"),
    "gpu-timeout": (lambda it: pod(it).pop("activeDeadlineSeconds"), "for-loop-1/train"),
    "gpu-retry": (lambda it: task(it).pop("retryPolicy"), "for-loop-1/train"),
    "gpu-eviction": (lambda it: pod(it).pop("podMetadata"), "for-loop-1/train"),
    "retry-window": (lambda it: task(it)["retryPolicy"].update(backoffMaxDuration="3600s"), "for-loop-1/train"),
    "scratch-folder": (
        lambda it: container(it)["env"].append({"name": "MERFLOW_WORKSPACE", "value": "s3://runs/team"}),
        "for-loop-1/train",
    ),
    "image-tag": (lambda it: container(it).update(image="registry.example/merflow/python:1"), "merflow/python:1"),
    "image-registry": (lambda it: container(it).update(image="merflow/python:1"), "merflow/python:1"),
    "one-image": (lambda it: container(it).update(image=IMAGE.replace("0", "1")), "merflow/python@sha256:"),
    "wrong-params": (lambda it: inputs(it)["params"].update(defaultValue="{training: {epoch: 1}}"), "params"),
    "no-compiler": (lambda it: inputs(it)["params"].update(defaultValue="{training: {compile: default}}"), "params"),
    "sqlite-on-volume": (lambda it: inputs(it)["params"].update(defaultValue=""), "params"),
    "password-in-uri": (
        lambda it: inputs(it)["root"].update(defaultValue="http://me:pw@host"),
        "root.inputDefinitions",
    ),
    "secret-variable": (lambda it: container(it)["env"].append({"name": "HF_TOKEN", "value": "canary"}), "train"),
    "long-argument": (lambda it: container(it)["command"].append("x" * ARGUMENT_BYTES), "for-loop-1/train"),
    "package-size": (lambda it: it[0].update(comment="x" * 700_000), "package"),
    "long-default": (lambda it: inputs(it)["presets"].update(defaultValue="x" * 10_001), "presets"),
}
# Rule -> the pipeline of KFP's own that breaks it, and a part of the place that is named.
SHAPES: dict[str, tuple[object, str]] = {
    "dict-items": (shapes.items, "for-loop"),
    "nested-loops": (shapes.items, "for-loop"),
    "items-of-named-output": (shapes.items, "for-loop"),
    "loop-takes-parameter": (shapes.items, "for-loop"),
    "condition-on-named-output": (shapes.items, "condition"),
    "constant-name": (shapes.items, "for-loop"),
    "loop-in-exit-handler": (shapes.handled, "exit-handler-1/for-loop"),
    "importer-in-loop": (shapes.collected, "importer"),
    "optional-artifact": (shapes.collected, "make"),
    "retries-of-graph": (shapes.collected, "handled"),
    "access-modes": (shapes.collected, "pipelineConfig.workspace"),
    "installs-at-start": (shapes.collected, "fetch"),
    "collected-size": (shapes.collected, "compare"),
    "artifact-list": (shapes.collected, "compare"),
}


def broken_by(rule: str, path: Path, folder: Path) -> list[Finding]:
    documents = list(yaml.safe_load_all(path.read_text()))
    BROKEN[rule][0](documents)
    broken = folder / "broken.yaml"
    broken.write_text(yaml.safe_dump_all(documents))
    return lint(Package.read(broken))


@pytest.mark.parametrize("rule", sorted(BROKEN))
def test_a_package_that_is_broken_on_purpose_is_found(rule: str, packages: dict[str, Path], tmp_path: Path) -> None:
    findings = [finding for finding in broken_by(rule, packages["benchmark"], tmp_path) if finding.rule == rule]
    assert findings
    assert all(BROKEN[rule][1] in finding.where for finding in findings)
    assert findings[0].remedy == RULES[rule].remedy


@pytest.mark.parametrize("rule", sorted(SHAPES))
def test_a_construct_that_breaks_on_a_cluster_is_found(rule: str, tmp_path: Path) -> None:
    pipeline, where = SHAPES[rule]
    findings = [finding for finding in lint(shapes.compiled(pipeline, tmp_path)) if finding.rule == rule]
    assert findings
    assert all(where in finding.where for finding in findings)


def test_every_rule_has_a_broken_package_and_a_remedy_of_one_line() -> None:
    assert BROKEN.keys() | SHAPES.keys() == RULES.keys()
    assert len(BROKEN) + len(SHAPES) == len(RULES) > 30
    assert all(rule.remedy and "\n" not in rule.remedy for rule in RULES.values())


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_a_good_package_breaks_no_rule(name: str, packages: dict[str, Path]) -> None:
    assert lint(Package.read(packages[name])) == []


def test_a_rule_may_be_left_out_by_its_id(packages: dict[str, Path], tmp_path: Path) -> None:
    broken_by("gpu-timeout", packages["benchmark"], tmp_path)
    package = Package.read(tmp_path / "broken.yaml")
    assert [finding.rule for finding in lint(package)] == ["gpu-timeout"]
    assert lint(package, allowed=["gpu-timeout"]) == []
    with pytest.raises(PipelineError, match="unknown rule 'gpu-timeot'; did you mean 'gpu-timeout'"):
        lint(package, allowed=["gpu-timeot"])


def test_no_finding_shows_a_password(packages: dict[str, Path], tmp_path: Path) -> None:
    said = [
        str(each)
        for rule in ("password-in-uri", "secret-variable")
        for each in broken_by(rule, packages["benchmark"], tmp_path)
    ]
    assert len(said) == 2
    assert not any("pw" in line or "canary" in line for line in said)


@pytest.mark.parametrize("text", ["", "a: 1", "[1", "- 1"])
def test_a_file_that_is_not_a_package_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "no.yaml"
    path.write_text(text)
    with pytest.raises(PipelineError, match="write it with `merflow pipeline compile`"):
        Package.read(path)

"""The steps of a promotion that share nothing but S3 and MLflow: each pod begins with an empty folder."""

from pathlib import Path

import pytest

from merflow.contracts.model_package import read_package
from merflow.errors import RegistryError
from merflow.promotion.registry.location import open_registry
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of

PROMOTION = {
    "variant": "best",
    "kind": "refit",
    "registered_name": "merflow",
    "mode": "enforce",
    "policy": "",
    "coverage": 0.8,
    "stress_utterances": 8,
    "approval_h": 0.0,
}


def test_a_refit_is_packaged_registered_and_judged(in_s3: S3Address, workspace: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    settings = settings_of(workspace, "context-mmt:wavlm-fc-frozen", params={"tracking": {"uri": uri}})
    pods = StepByStep(settings, tmp_path / "artifacts", pods=True)
    pods.benchmark()
    folds = [pods.said["train"][0]]
    *_, package, register, gate, promote = pods.call(
        "plan_promotion", command="", digests=pods.digests(), **PROMOTION, **settings
    )
    data = pods.paths("manifest", "splits", "features", "run", "results", "package", "card", "stress")
    assert pods.call("package", package, folds=folds, **data) == "context-mmt:wavlm-fc-frozen"
    assert read_package(Path(pods.path("package"))).kind == "refit"
    listed = connect().list_objects_v2(Bucket=in_s3.bucket, Prefix=f"{in_s3.key}/benchmarks/")
    assert listed.get("Contents", []) == [], "a finished package leaves nothing behind"

    seen = pods.paths("features", "run")
    version = pods.call("register", register, **pods.paths("package"), **seen)
    assert version == pods.call("register", register, **pods.paths("package"), **seen) == "1"
    outcome, figures = pods.call("gate", gate, version=version, **seen, **pods.paths("decision", "metrics"))
    assert figures["failed checks"] > 0
    assert "too few" in Path(pods.path("decision")).read_text()
    with pytest.raises(RegistryError, match="the gate refused version 1 of 'merflow'"):
        pods.call("promote", promote, outcome=outcome, **pods.paths("run", "summary"))
    assert open_registry(uri=uri).version("1").aliases == ("candidate",)

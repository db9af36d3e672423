"""The volume that pods share."""

from pathlib import Path

import yaml

from merflow.contracts.params import Params

ROOT = Path(__file__).parents[2]


def test_the_claim_has_the_name_that_pods_mount_and_is_written_from_many_nodes(params: Params) -> None:
    claim = yaml.safe_load((ROOT / "infra/workspace.yaml").read_text(encoding="utf-8"))
    assert claim["kind"] == "PersistentVolumeClaim"
    assert claim["metadata"]["name"] == params.cluster.pvc
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_page_on_clusters_names_every_setting(params: Params) -> None:
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    settings = [*type(params.cluster).model_fields, *type(params.cluster.pods.train).model_fields]
    assert len(settings) == 25
    assert [name for name in settings if name not in page] == []

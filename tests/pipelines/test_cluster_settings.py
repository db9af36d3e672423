"""Settings of the cluster that are refused, and settings that a package keeps for its submission."""

from pathlib import Path

import pytest

from merflow.contracts.params_files import read_params
from merflow.contracts.submission import Submission, read_submission
from merflow.errors import ParamsError
from tests.pipelines.compiled_package import SHIPPED, compiled


def test_the_service_account_waits_next_to_the_packages_for_submission(tmp_path: Path) -> None:
    compiled(tmp_path, "benchmark", "cluster.service_account=pipeline-runner")
    assert read_submission(tmp_path) == Submission(service_account="pipeline-runner", image="merflow/python:0.1.0")
    compiled(tmp_path, "benchmark")
    assert read_submission(tmp_path) == Submission(service_account=None, image="merflow/python:0.1.0")


def test_devices_that_a_cluster_does_not_have_are_refused(tmp_path: Path) -> None:
    overrides = ("cluster.accelerator=none", "training.device=cuda", "features.device=cuda")
    with pytest.raises(
        ParamsError, match=r"cluster\.accelerator is none, but these are cuda: features\.device, training\.device"
    ):
        compiled(tmp_path, "benchmark", *overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("accelerator=gpu", "cluster.accelerator: .*write it as nvidia.com/gpu, or none for a cluster without GPUs"),
        (
            "image=merflow/python",
            "cluster.image: 'merflow/python' is not the reference of an image with a tag or digest",
        ),
        ("image_pull_secret=My Secret", "cluster.image_pull_secret: 'My Secret' cannot be the name of an object"),
        ("env={9A: x}", "cluster.env: '9A' cannot be the name of an environment variable"),
        (
            "env={HF_TOKEN: x}",
            r"env\.HF_TOKEN contains a secret.*secrets: {HF_TOKEN: {secret: NAME_OF_SECRET, key: KEY_IN_IT}}",
        ),
        ("env={DB: 'postgresql://me:pw@host/db'}", r"env\.DB contains a secret"),
        ("secrets={A: {secret: s}}", "cluster.secrets.A.key: Field required"),
        ("secrets={A: {secret: s, name: k}}", "cluster.secrets.A.name: unknown key; did you mean|known"),
        ("labels={team: a b}", "cluster.labels: 'a b' cannot be the value of label team"),
        ("gpu_labels={a b: c}", "cluster.gpu_labels: 'a b' cannot be a key in Kubernetes"),
        (
            "kfp_ui=https://me:pw@kfp.example",
            "cluster.kfp_ui: 'https://me:pw@kfp.example' is not the address of a page",
        ),
        ("queue=A_B", "cluster.queue: 'A_B' cannot be the name"),
        ("parallel_folds=-1", "cluster.parallel_folds: .*greater than or equal to 0"),
        ("ttl_h=never", "cluster.ttl_h: .*found 'never'"),
        ("pvc=My Claim", "cluster.pvc: 'My Claim' cannot be the name of a PVC"),
        ("workspace=s3://runs/merflow", "cluster: .*but pvc merflow would be mounted in its place; set pvc: none"),
        ("workspace=runs/merflow", "cluster.workspace: 'runs/merflow' is not an S3 address.*, or none"),
        ("scratch_gib=9", "cluster: .*scratch_gib limits the scratch folder of a workspace in S3"),
        ("pods.train.memory=8Gi", "cluster.pods.train.memory: unknown key; did you mean 'memory_gib'?"),
        ("pods.train.memory_gib=8Gi", "cluster.pods.train.memory_gib: .*found '8Gi'"),
        ("pods.training.cpu=4", "cluster.pods.training: unknown key; did you mean 'train'?"),
        ("pods.train.cpu_limit=1", "cluster.pods.train: .*cpu_limit 1 is less than cpu_request 2"),
        (
            "pods.run_trials.shared_memory_gib=17",
            "cluster.pods.run_trials: .*shared_memory_gib 17 is more than memory_gib 16",
        ),
        ("pods.train.retries=-1", "cluster.pods.train.retries: .*greater than or equal to 0"),
        ("tolerations=nvidia.com/gpu", "cluster.tolerations: .*valid list"),
        ("tolerations=[nvidia.com/gpu]", "cluster.tolerations.0: expected a mapping"),
    ],
)
def test_wrong_settings_are_named(override: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        read_params(SHIPPED, overrides=(f"cluster.{override}",))


def test_a_secret_is_not_a_variable_and_a_name_is_given_once() -> None:
    both = ("cluster.env={A: x}", "cluster.secrets={A: {secret: s, key: k}}")
    with pytest.raises(ParamsError, match="A is in env and in secrets; remove it from env"):
        read_params(SHIPPED, overrides=both)
    harmless = "cluster.env={TOKENIZERS_PARALLELISM: 'false', AWS_WEB_IDENTITY_TOKEN_FILE: /var/token}"
    assert len(read_params(SHIPPED, overrides=(harmless,)).cluster.env) == 2

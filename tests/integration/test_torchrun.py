"""One fold on two nodes: two torchrun agents with the variables that Kubeflow Trainer sets, over gloo."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from merflow.contracts.history import read_history
from merflow.contracts.params import Params
from merflow.runs.fold_folder import read_predictions
from tests.integration.one_fold import train_words

EPOCHS = 3


@pytest.fixture(scope="module")
def words(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return train_words(tiny_release, params, tmp_path_factory.mktemp("torchrun"), epochs=EPOCHS)


def nodes(words: list[str], out: Path, *, count: int = 2) -> list[subprocess.Popen[str]]:
    """Start one torchrun per node, each with one process; the address of the first node is known to all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"PET_NNODES": str(count), "PET_NPROC_PER_NODE": "1", "PET_MASTER_ADDR": "127.0.0.1"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "-m", "merflow", *words, str(out)],
            env={**os.environ, **shared, "PET_MASTER_PORT": str(port), "PET_NODE_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]


def test_two_nodes_train_what_two_processes_of_one_node_train(words: list[str], tmp_path: Path) -> None:
    agents = nodes(words, tmp_path / "two-nodes" / "fold")
    said = [agent.communicate(timeout=300)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert "was chosen" in said[0]
    assert "was chosen" not in said[1]
    here = [sys.executable, "-m", "merflow", *words, str(tmp_path / "one-node" / "fold")]
    subprocess.run(here, check=True, capture_output=True, timeout=300)
    folders = [tmp_path / place / "fold" for place in ("two-nodes", "one-node")]
    histories = [[epoch.figures["dev_loss"] for epoch in read_history(folder)] for folder in folders]
    assert len(histories[0]) == EPOCHS
    assert histories[0] == histories[1]
    two, one = (read_predictions(folder) for folder in folders)
    assert two.equals(one)
    assert not (tmp_path / "two-nodes" / "checkpoints").exists()


def test_another_number_of_processes_is_refused_with_the_setting(words: list[str], tmp_path: Path) -> None:
    (agent,) = nodes(words, tmp_path / "fold", count=1)
    said, _ = agent.communicate(timeout=300)
    assert agent.returncode != 0
    assert "torchrun started 1 process(es), but training.devices_per_fold is 2" in said
    assert "--set training.devices_per_fold=1" in said
    assert not (tmp_path / "fold").exists()

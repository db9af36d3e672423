"""The same seed gives the same weights: on a CPU to the bit, on a GPU as far as its kernels allow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.utils.deterministic


def seed_epoch(seed: int, *, epoch: int, rank: int = 0) -> None:
    """Seeds torch for one epoch, counted from 1 (0: the model's first weights).

    Each epoch begins from its own seed, so that a resumed fold needs no generator state. Processes that share a batch
    draw different numbers: equal ones would drop the same places of all shares.
    """
    state = np.random.SeedSequence([seed, epoch, rank] if rank else [seed, epoch]).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))


@contextmanager
def deterministic(*, threads: int) -> Iterator[None]:
    """Deterministic kernels where torch has them, and this many CPU threads; both as before afterwards.

    Sums depend on the number of threads, so equal results need an equal number. On CUDA, cuBLAS reads its workspace
    setting when the first kernel starts: it is set here unless the user has set it. Torch would also fill every new
    tensor with NaN before its kernel writes it, against kernels that read what they did not write; none here does.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads_before = torch.get_num_threads()
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.set_num_threads(threads_before)

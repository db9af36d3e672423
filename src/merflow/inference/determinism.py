"""Reproducible training: the same seed gives the same weights, bit-identical on a CPU.

On a GPU, results are as reproducible as the kernels allow.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.utils.deterministic


def seed_epoch(seed: int, *, epoch: int, rank: int = 0) -> None:
    """Seed torch for one epoch, counted from 1; 0 means the initialization of the model.

    Each epoch starts from its own seed, so that a resumed fold needs no generator state. Processes that share a
    batch draw different numbers; otherwise dropout would mask the same positions in all shares.
    """
    state = np.random.SeedSequence([seed, epoch, rank] if rank else [seed, epoch]).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))


@contextmanager
def deterministic(*, threads: int) -> Iterator[None]:
    """Use deterministic kernels where torch has them, and this many CPU threads; restore both settings afterwards.

    Sums depend on the number of threads, so identical results need the same number. On CUDA, cuBLAS reads its workspace
    setting when the first kernel starts; it is set here unless the user has set it. Torch's deterministic mode also
    fills every new tensor with NaN, to expose kernels that read uninitialized memory. No kernel here does, so that is
    off. ``torch.use_deterministic_algorithms`` would also load the compiler, which takes more than a second.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads_before = torch.get_num_threads()
    mode = torch.get_deterministic_debug_mode()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]
        torch.set_deterministic_debug_mode(mode)
        torch.set_num_threads(threads_before)

"""A stream's features in memory as one tensor, the host's or the GPU's, from which a batch is a single gather."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


class ResidentStream:
    """Standardised features of some rows of a manifest, end to end, and one step of zeros that stands for padding.

    Shapes: S steps of all rows, N utterances, K places of an utterance (steps or neighbours).

    Args:
        rows: Manifest rows, each once.
        steps: Of every row of the manifest.
        entry_shape: ``(D,)`` or ``(L, D)``.
        values: Row -> its features ``(T, *entry_shape)`` float32.
        device: Where they are kept.
    """

    def __init__(
        self,
        rows: np.ndarray,
        *,
        steps: np.ndarray,
        entry_shape: tuple[int, ...],
        values: Callable[[int], np.ndarray],
        device: torch.device,
    ) -> None:
        self._starts = np.zeros(len(steps), dtype=np.int64)
        self._starts[rows] = np.cumsum(steps[rows]) - steps[rows]
        self._nothing = int(steps[rows].sum())
        self._flat = torch.zeros((self._nothing + 1, *entry_shape), dtype=torch.float32, device=device)
        for row in rows.tolist():
            if steps[row]:
                start = int(self._starts[row])
                self._flat[start : start + int(steps[row])] = torch.from_numpy(values(row)).to(device)

    def gather(self, rows: np.ndarray, offsets: np.ndarray, present: np.ndarray) -> Tensor:
        """``(N, K, *entry_shape)`` float32, zeros where nothing is present.

        Args:
            rows: Manifest row of every place, ``(N, K)`` or ``(N, 1)``; ignored where nothing is present.
            offsets: Step within the row, ``(N, K)`` or ``(1, K)``.
            present: ``(N, K)`` bool.
        """
        places = np.where(present, self._starts[rows] + offsets, self._nothing)
        return self._flat[torch.from_numpy(places).to(self._flat.device)]

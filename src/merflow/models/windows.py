"""Attention over a short window of frames for each word, where windows lie a fixed hop apart.

A word's scores with the frames of its window, and what weights make of them, are products of small matrices, one a
word. All utterances' frames lie end to end, so that windows are views of them, and no frame is copied for each window
that it is in. Time and memory grow with the words and the length of a window, not with words times frames.

Windows may reach over an utterance's ends, where they hold zeros or frames of another utterance: scores there mean
nothing, and weights there must be 0.

Shapes: N utterances, L words, T frames, D width, R frames in a window; M words of all utterances, end to end, for which
there are M hop frames.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """Where windows lie: that of word i holds the frames from i hop - before on.

    Attributes:
        hop: Frames from a window to the next one.
        reach: Frames in a window, R; more than ``before``.
        before: Frames of the first window that are before the first frame.
    """

    hop: int
    reach: int
    before: int = 0

    def scores(self, words: Tensor, frames: Tensor) -> Tensor:
        """Dot products of words ``(N, L, D)`` with the frames ``(N, T, D)`` of their windows: ``(N, L, R)``."""
        room = self._room(words.shape[1], frames.shape[1])
        made: Tensor = _Scores.apply(self, _end_to_end(words, room), _end_to_end(frames, self.hop * room))  # type: ignore[no-untyped-call]
        return made.view(len(words), room, self.reach)[:, : words.shape[1]]

    def sums(self, weights: Tensor, frames: Tensor) -> Tensor:
        """Frames ``(N, T, D)`` of each window, weighed by ``(N, L, R)`` and summed: ``(N, L, D)``."""
        room = self._room(weights.shape[1], frames.shape[1])
        rows = _end_to_end(weights.to(frames.dtype), room)
        made: Tensor = _Sums.apply(self, rows, _end_to_end(frames, self.hop * room))  # type: ignore[no-untyped-call]
        return made.view(len(weights), room, -1)[:, : weights.shape[1]]

    def _room(self, words: int, frames: int) -> int:
        """Words for which an utterance has room, so that each finds the frames of its window, as far as they exist."""
        reached = min(frames, self.hop * (words - 1) + self.reach - self.before)
        return max(words, -(-reached // self.hop))

    def dots(self, words: Tensor, frames: Tensor) -> Tensor:
        """Of words ``(M, D)`` with the frames ``(M hop, D)`` of their windows: ``(M, R)``."""
        return _row_products(words, (view.mT for view in self._views(frames)))

    def weighed(self, weights: Tensor, frames: Tensor) -> Tensor:
        """Windows' frames ``(M hop, D)``, weighed by ``(M, R)`` and summed: ``(M, D)``."""
        return _row_products(weights, self._views(frames))

    def _views(self, frames: Tensor) -> Iterator[Tensor]:
        """All words' windows of ``(M hop, D)``, ``(words, R, D)`` at a time, of which the outermost are copies."""
        words = len(frames) // self.hop
        inner = min(words, -(-self.before // self.hop))
        outer = max(inner, (len(frames) + self.before - self.reach) // self.hop + 1)
        for first, end in ((0, inner), (inner, outer), (outer, words)):
            if first < end:
                yield self._reached(frames, first, end).unfold(0, self.reach, self.hop).mT

    def _reached(self, frames: Tensor, first: int, end: int) -> Tensor:
        """The frames of these words' windows, zeros where there are none."""
        start, stop = first * self.hop - self.before, (end - 1) * self.hop - self.before + self.reach
        missing = (max(0, -start), max(0, stop - len(frames)))
        there = frames[max(0, start) : stop]
        return F.pad(there, (0, 0, *missing)) if any(missing) else there

    def spread(self, weights: Tensor, words: Tensor) -> Tensor:
        """Words ``(M, D)``, each added to the frames of its window by its weights ``(M, R)``: ``(M hop, D)``.

        The frames of one hop are made together: of the words whose windows hold them, and of these words' weights.
        """
        front = -self.before % self.hop
        steps = -(-(front + self.reach) // self.hop)
        behind = (self.before + front) // self.hop
        ends = (steps - 1 - behind, behind)
        near = F.pad(words, (0, 0, *ends)).unfold(0, steps, 1).mT  # (M, steps, D)
        rows = F.pad(weights, (front, steps * self.hop - front - self.reach, *ends))
        # One word on is one hop back in its window.
        strides = (rows.shape[1], 1, rows.shape[1] - self.hop)
        of_near = rows.as_strided((len(words), self.hop, steps), strides, (steps - 1) * self.hop)
        return _products(of_near, near).flatten(0, 1)


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, windows: Windows, words: Tensor, frames: Tensor) -> Tensor:  # noqa: ANN401
        ctx.windows = windows
        ctx.save_for_backward(words, frames)
        return windows.dots(words, frames)

    @staticmethod
    def backward(ctx: Any, of_scores: Tensor) -> tuple[None, Tensor, Tensor]:  # noqa: ANN401
        words, frames = ctx.saved_tensors
        return None, ctx.windows.weighed(of_scores, frames), ctx.windows.spread(of_scores, words)


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, windows: Windows, weights: Tensor, frames: Tensor) -> Tensor:  # noqa: ANN401
        ctx.windows = windows
        ctx.save_for_backward(weights, frames)
        return windows.weighed(weights, frames)

    @staticmethod
    def backward(ctx: Any, of_sums: Tensor) -> tuple[None, Tensor, Tensor]:  # noqa: ANN401
        weights, frames = ctx.saved_tensors
        of_sums = of_sums.contiguous()
        return None, ctx.windows.dots(of_sums, frames), ctx.windows.spread(weights, of_sums)


def _row_products(rows: Tensor, matrices: Iterable[Tensor]) -> Tensor:
    """Each row ``(M, A)`` times its own matrix, of which some ``(words, A, B)`` come at a time: ``(M, B)``."""
    made, first = [], 0
    for some in matrices:
        made.append(_products(rows[first : first + len(some)].unsqueeze(1), some).squeeze(1))
        first += len(some)
    return torch.cat(made)


def _products(left: Tensor, right: Tensor) -> Tensor:
    """Matrices ``(M, A, B)`` times ``(M, B, C)``."""
    if torch.compiler.is_compiling():  # a sum becomes one kernel with what is around it; a product would stand alone
        return (left.unsqueeze(-1) * right.unsqueeze(-3)).sum(dim=-2)
    return left @ right


def _end_to_end(sequences: Tensor, room: int) -> Tensor:
    """``(N, X, D)`` to ``(N room, D)``: cut, or filled with zeros."""
    missing = room - sequences.shape[1]
    return (F.pad(sequences, (0, 0, 0, missing)) if missing else sequences).flatten(0, 1)

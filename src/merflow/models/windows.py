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
        made: Tensor = dots(words, frames, self.hop, self.reach, self.before)
        return made

    def sums(self, weights: Tensor, frames: Tensor) -> Tensor:
        """Frames ``(N, T, D)`` of each window, weighed by ``(N, L, R)`` and summed: ``(N, L, D)``."""
        made: Tensor = weighed(weights.to(frames.dtype), frames, self.hop, self.before)
        return made


# Operators of their own, so that a compiler takes them as they are: it knows no lengths beforehand, and would work for
# minutes on where the windows lie.
@torch.library.custom_op("merflow::window_dots", mutates_args=())
def dots(words: Tensor, frames: Tensor, hop: int, reach: int, before: int) -> Tensor:
    """As :meth:`Windows.scores`."""
    length, room = words.shape[1], _room(words.shape[1], frames.shape[1], hop=hop, reach=reach, before=before)
    views = _views(_end_to_end(frames, hop * room), hop=hop, reach=reach, before=before)
    return _apart(_row_products(_end_to_end(words, room), (view.mT for view in views)), room, length)


@torch.library.custom_op("merflow::window_weighed", mutates_args=())
def weighed(weights: Tensor, frames: Tensor, hop: int, before: int) -> Tensor:
    """As :meth:`Windows.sums`."""
    length, reach = weights.shape[1:]
    room = _room(length, frames.shape[1], hop=hop, reach=reach, before=before)
    views = _views(_end_to_end(frames, hop * room), hop=hop, reach=reach, before=before)
    return _apart(_row_products(_end_to_end(weights, room), views), room, length)


@torch.library.custom_op("merflow::window_spread", mutates_args=())
def spread(weights: Tensor, words: Tensor, frames: int, hop: int, before: int) -> Tensor:
    """Words ``(N, L, D)``, each added to its window's frames by its weights ``(N, L, R)``: ``(N, T, D)``.

    The frames of one hop are made together: of the words whose windows hold them, and of these words' weights.
    """
    length, reach = weights.shape[1:]
    room = _room(length, frames, hop=hop, reach=reach, before=before)
    front = -before % hop
    steps = -(-(front + reach) // hop)
    behind = (before + front) // hop
    ends = (steps - 1 - behind, behind)
    near = F.pad(_end_to_end(words, room), (0, 0, *ends)).unfold(0, steps, 1).mT  # (M, steps, D)
    rows = F.pad(_end_to_end(weights, room), (front, steps * hop - front - reach, *ends))
    # One word on is one hop back in its window.
    strides = (rows.shape[1], 1, rows.shape[1] - hop)
    of_near = rows.as_strided((len(near), hop, steps), strides, (steps - 1) * hop)
    return _apart((of_near @ near).flatten(0, 1), hop * room, frames)


def _room(words: int, frames: int, *, hop: int, reach: int, before: int) -> int:
    """Words for which an utterance has room, so that each finds the frames of its window, as far as they exist."""
    reached = min(frames, hop * (words - 1) + reach - before)
    return max(words, -(-reached // hop))


def _end_to_end(sequences: Tensor, room: int) -> Tensor:
    """``(N, X, D)`` to ``(N room, D)``: cut, or filled with zeros."""
    missing = room - sequences.shape[1]
    return (F.pad(sequences, (0, 0, 0, missing)) if missing else sequences).flatten(0, 1).contiguous()


def _apart(rows: Tensor, room: int, length: int) -> Tensor:
    """``(N room, D)`` to ``(N, X, D)``: cut, or filled with zeros."""
    sequences = rows.view(-1, room, rows.shape[1])
    return F.pad(sequences, (0, 0, 0, length - room)) if length > room else sequences[:, :length].contiguous()


def _views(frames: Tensor, *, hop: int, reach: int, before: int) -> Iterator[Tensor]:
    """All words' windows of ``(M hop, D)``, ``(words, R, D)`` at a time, of which the outermost are copies."""
    words = len(frames) // hop
    inner = min(words, -(-before // hop))
    outer = max(inner, (len(frames) + before - reach) // hop + 1)
    for first, end in ((0, inner), (inner, outer), (outer, words)):
        if first < end:
            start, stop = first * hop - before, (end - 1) * hop - before + reach
            missing = (max(0, -start), max(0, stop - len(frames)))
            there = frames[max(0, start) : stop]
            yield (F.pad(there, (0, 0, *missing)) if any(missing) else there).unfold(0, reach, hop).mT


def _row_products(rows: Tensor, matrices: Iterable[Tensor]) -> Tensor:
    """Each row ``(M, A)`` times its own matrix, of which some ``(words, A, B)`` come at a time: ``(M, B)``."""
    made, first = [], 0
    for some in matrices:
        made.append((rows[first : first + len(some)].unsqueeze(1) @ some).squeeze(1))
        first += len(some)
    return torch.cat(made)


@dots.register_fake
def _empty_dots(words: Tensor, frames: Tensor, hop: int, reach: int, before: int) -> Tensor:  # noqa: ARG001
    return words.new_empty(*words.shape[:2], reach)


@weighed.register_fake
def _empty_weighed(weights: Tensor, frames: Tensor, hop: int, before: int) -> Tensor:  # noqa: ARG001
    return frames.new_empty(*weights.shape[:2], frames.shape[2])


@spread.register_fake
def _empty_spread(weights: Tensor, words: Tensor, frames: int, hop: int, before: int) -> Tensor:  # noqa: ARG001
    return words.new_empty(len(words), frames, words.shape[2])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG001
    rows, frames, *layout = inputs
    ctx.save_for_backward(rows, frames)
    ctx.hop, ctx.before = layout[0], layout[-1]


def _gradients_of_dots(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    words, frames = ctx.saved_tensors
    of_words = weighed(gradient, frames, ctx.hop, ctx.before)
    return of_words, spread(gradient, words, frames.shape[1], ctx.hop, ctx.before), None, None, None


def _gradients_of_weighed(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    weights, frames = ctx.saved_tensors
    of_weights = dots(gradient, frames, ctx.hop, weights.shape[2], ctx.before)
    return of_weights, spread(weights, gradient, frames.shape[1], ctx.hop, ctx.before), None, None


dots.register_autograd(_gradients_of_dots, setup_context=_keep)
weighed.register_autograd(_gradients_of_weighed, setup_context=_keep)

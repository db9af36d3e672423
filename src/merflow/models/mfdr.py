"""Multiple-stage fusion and a dynamically refined network for speech and text.

Paper: Z. Zhao, T. Gao, H. Wang, B. Schuller, "MFDR: Multiple-stage Fusion and Dynamically Refined Network for
Multimodal Emotion Recognition", 2024.

Claim: three parts each help. Words attend to the frames near them, through windows that widen where words and frames
agree (SAWA). A recurrent unit reads each word beside its context (GCPU). A convolution with a learned kernel per
position shortens the sequence (DFC). 75.7% WA and 77.0% UA on IEMOCAP in 5 folds, 78.4% and 79.2% in 10 folds.

Decisions, where the paper is silent or its indices do not agree:
    - Speech and text each pass one linear map to 256 dimensions. Words are the steps of the text stream, its special
      tokens included. The model reads the first 50 of them, and the first 5.12 s of speech (255 frames of WavLM).
    - Text is padded to 50 positions with zero vectors. The positions behind the last word have windows too, and count
      in GCPU and DFC like words. Together the 50 windows cover all 255 frames, however few words there are.
    - The window of word i starts at frame i h, also for the wider windows of Table 3 (hop h = 5). Algorithm 1 indexes
      by w although its text moves by h. Here a window first grows by half a window on either side, then by the next
      half windows.
    - Frames before the start, after the end and in the padding count in no softmax and no mean. The thresholds of
      Algorithm 1 do not shrink with them, so a cut window is less likely to widen. A weight counts as above the mean
      only if it is so by more than rounding: equal weights are not key points.
    - Two presets are ours. `residual` adds the word's own vector to z; in the paper words enter through the weights
      alone. `proportional` spreads the windows of the words evenly over the utterance, instead of 100 ms per word.
    - SAWA has one head, as in Algorithm 1; the attention that makes the context g has 8. Neither encodes positions.
    - MGRU: both gates read h, z and g; h_t = (1 - u) h_{t-1} + u h~. GRU: PyTorch's, on z alone. Without context, g
      is z.
    - DFC has no bias and no activation between its layers. Its map is drawn from a normal distribution. The first
      convolution has the width and the hop of the frames, the second has width 1. Kernels do not depend on the
      utterances: they are computed once per batch in training, and once per trained model otherwise.
    - The sentiment of CMU-MOSEI is learned with an L1 loss.
    - Max and average pooling use the same windows as DFC. Without DFC all 50 steps are flattened.

Shapes: N utterances, T frames, L positions of words, D = 256 model width, w frames in a window, R frames within reach
of a word, S steps after a window, C classes. SAWA computes K words together: G groups of K words and the F frames
within their reach. ``present`` masks are True at real steps, which come first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.axes import POSITION
from merflow.contracts.batch import Batch, Output
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Task
from merflow.models.layers import Attention, Shown, label_loss, output_layer

# A weight is above the mean only if it is so by this much, relative to the mean.
_ROUNDING = 1e-5

# K: words whose windows share one table of frames. Their windows overlap, so that larger groups copy fewer frames per
# word, and fill larger tables. Three groups hold the paper's 50 words.
_GROUP = 17


@dataclass(frozen=True)
class MFDRConfig:
    """A row of Table 3, and its sizes.

    Attributes:
        attention: ``sawa`` adapts its windows, ``sliwa`` has fixed windows, ``full-size`` has none.
        window: Frames in a window, w (Sec. 3.2); even.
        hop: Frames between the windows of neighbouring words, h (Sec. 3.2).
        alignment: ``paced`` moves by ``hop`` frames per word, as in the paper. ``proportional`` (ours) spreads the
            windows of the words evenly over the utterance, and those of the positions behind them once more.
        residual: True to add a word's own vector to what its frames give (ours).
        unit: The recurrent unit that reads the words.
        context: True to let the unit read attention over all words; must be false for ``gru``.
        pooling: The way from 50 steps to few.
        dims: Model width D (Sec. 3.2).
        heads: Attention heads of the context (decision).
        frames: T (Sec. 3.2).
        words: L, the number of positions (Sec. 3.2).
        clip_s: Seconds of speech (decision: T frames of WavLM).
        span: Steps per window of DFC and pooling (Sec. 3.2).
        strides: Steps between these windows, one entry per layer (Sec. 3.2).
        channels: Channels in the middle of the kernel generation (Sec. 3.2).
    """

    attention: Literal["sawa", "sliwa", "full-size"] = "sawa"
    window: int = 10
    hop: int = 5
    alignment: Literal["paced", "proportional"] = "paced"
    residual: bool = False
    unit: Literal["gcpu", "mgru", "gru"] = "gcpu"
    context: bool = True
    pooling: Literal["dfc", "max", "mean", "none"] = "dfc"
    dims: int = 256
    heads: int = 8
    frames: int = 255
    words: int = 50
    clip_s: float = 5.12
    span: int = 3
    strides: tuple[int, ...] = (2, 3)
    channels: int = 64

    def __post_init__(self) -> None:
        if self.window % 2:
            raise ValueError(f"window {self.window} is odd; choose an even one, which grows by half on either side")
        if self.dims % self.heads:
            raise ValueError(f"{self.heads} heads do not divide dims {self.dims}")
        if self.unit == "gru" and self.context:
            raise ValueError("unit gru reads no context; choose context false")
        if self.steps[-1] < 1:
            raise ValueError(f"{self.words} words are too few for strides {self.strides}")

    @property
    def steps(self) -> tuple[int, ...]:
        """Number of positions, then the number of steps after each layer of pooling."""
        steps = [self.words]
        for stride in self.strides if self.pooling != "none" else ():
            steps.append((steps[-1] - self.span) // stride + 1)  # Eq. 7
        return tuple(steps)

    def streams(self) -> tuple[Stream, ...]:
        """Return the streams that the model reads."""
        return Stream("speech", encoder="wavlm-base", clip_s=self.clip_s), Stream("text", encoder="bert-base")


class SlidingWindowAttention(nn.Module):
    """SliWa, and with adaptive width SAWA (Algorithm 1): each word attends to the frames near it.

    Paced words are computed in groups of K. A group's table has a column for each frame within reach of its words, so
    that time and memory grow with L (K h + w) and not with L T. Proportional windows start at other frames in every
    utterance: there all words are one group, and the table has all frames.
    """

    def __init__(self, config: MFDRConfig) -> None:
        super().__init__()
        self.config = config
        self.growth = config.window if config.attention == "sawa" else 0  # frames that a window can gain on a side
        self.query = nn.Linear(config.dims, config.dims, bias=False)
        self.key = nn.Linear(config.dims, config.dims, bias=False)
        self.value = nn.Linear(config.dims, config.dims, bias=False)
        self.show = Shown(POSITION, "window")

    def forward(self, words: Tensor, frames: Tensor, words_present: Tensor, frames_present: Tensor) -> Tensor:
        """Return ``(N, L, D)`` for words ``(N, L, D)`` and frames ``(N, T, D)`` with their masks."""
        return self.attend(self.query(words), self.key(frames), self.value(frames), words_present, frames_present)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, words_present: Tensor, frames_present: Tensor
    ) -> Tensor:
        """Return the result of :meth:`forward`, given the projections."""
        words, dims = query.shape[1:]
        starts, frames = self._windows(words_present, frames_present)  # (1 or N, G, K), (G, F)
        offsets = rearrange(frames, "g f -> g 1 f") - starts.unsqueeze(-1)  # (1 or N, G, K, F)
        lengths = frames_present.sum(dim=1)
        exists = (frames >= 0) & (frames < rearrange(lengths, "n -> n 1 1"))  # (N, G, F)
        groups, size = starts.shape[1:]
        query = rearrange(F.pad(query, (0, 0, 0, groups * size - words)), "n (g k) d -> n g k d", k=size)
        scores = (_rows(key, frames) @ query.mT).mT * dims**-0.5  # (N, G, K, F)
        weights = self._weights(scores, offsets, rearrange(exists, "n g f -> n g 1 f"))
        self.show(rearrange(self._within_reach(weights, offsets), "n g k r -> n (g k) r")[:, :words])
        combined = weights @ _rows(value, frames)  # (N, G, K, D)
        return rearrange(combined, "n g k d -> n (g k) d")[:, :words]

    def _windows(self, words_present: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first frame of each word's window ``(1 or N, G, K)``, and each group's frames ``(G, F)``.

        Some of the frames lie before or after the utterance. Words are added to fill the last group.
        """
        words, device = words_present.shape[1], words_present.device
        if self.config.alignment == "proportional":
            starts = _spread(words_present, (frames_present.sum(dim=1, keepdim=True) - self.config.window).clamp(min=0))
            frames = torch.arange(frames_present.shape[1], device=device)
            return rearrange(starts, "n l -> n 1 l"), rearrange(frames, "t -> 1 t")
        groups = -(-words // _GROUP)
        starts = rearrange(self.config.hop * torch.arange(groups * _GROUP, device=device), "(g k) -> g k", k=_GROUP)
        reach = self.config.hop * (_GROUP - 1) + self.config.window + 2 * self.growth  # F
        frames = starts[:, :1] - self.growth + torch.arange(reach, device=device)
        return starts.unsqueeze(0), frames

    def _weights(self, scores: Tensor, offsets: Tensor, exists: Tensor) -> Tensor:
        """Return the attention weights by Algorithm 1.

        Args:
            scores: ``(N, G, K, F)``.
            offsets: ``(1 or N, G, K, F)``, frames from the start of the word's window.
            exists: ``(N, G, 1, F)``, True where the utterance has the frame.

        Returns:
            ``(N, G, K, F)``. A row sums to 1, 2 or 3, or to 0 where no frame of the window exists.
        """
        width, half = self.config.window, self.config.window // 2
        window = exists & (offsets >= 0) & (offsets < width)
        weights = _softmax(scores, window)  # line 1
        if self.config.attention == "sliwa":
            return weights
        wider = exists & (offsets >= -half) & (offsets < width + half)
        widest = exists & (offsets >= -width) & (offsets < 2 * width)
        widens = _key_points(weights, window) >= half  # lines 2-4 and 6  (N, G, K, 1)
        weights = weights + widens * _softmax(scores, wider & ~window)  # lines 7-10
        widens = widens & (_key_points(weights, wider) >= width)  # lines 11-12
        return weights + widens * _softmax(scores, widest & ~wider)  # lines 13-16

    def _within_reach(self, weights: Tensor, offsets: Tensor) -> Tensor:
        """Return the weights of the frames that a word can reach ``(N, G, K, R)``, zeros where there is no frame."""
        reach = torch.arange(-self.growth, self.config.window + self.growth, device=weights.device)
        columns = reach - offsets[..., :1]  # (1 or N, G, K, R)
        last = weights.shape[-1] - 1
        known = (columns >= 0) & (columns <= last)
        return weights.gather(-1, columns.clamp(0, last).expand(*weights.shape[:-1], -1)) * known


def _spread(words_present: Tensor, last_start: Tensor) -> Tensor:
    """Return the first frame of each position's window ``(N, L)``, evenly from frame 0 to ``last_start`` ``(N, 1)``.

    The first word's window is at the start of the utterance, the last word's at its end. The positions behind the words
    go over the utterance once more, so that the gaps between few words are heard too.
    """
    size = words_present.shape[1]
    count = words_present.sum(dim=1, keepdim=True)  # (N, 1)
    position = torch.arange(size, device=words_present.device)
    of_word = position * last_start // (count - 1).clamp(min=1)
    behind = (position - count + 1) * last_start // (size - count).clamp(min=1)
    return of_word.where(position < count, behind)


def _rows(values: Tensor, frames: Tensor) -> Tensor:
    """Return the frames ``(G, F)`` of ``(N, T, D)``: ``(N, G, F, D)``, with absent frames replaced by the nearest."""
    nearest = frames.clamp(0, values.shape[1] - 1)
    return rearrange(values.index_select(1, nearest.flatten()), "n (g f) d -> n g f d", g=len(frames))


def _softmax(scores: Tensor, seen: Tensor) -> Tensor:
    """Return the softmax over the frames that are seen, zeros elsewhere."""
    return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=-1) * seen


def _key_points(weights: Tensor, seen: Tensor) -> Tensor:
    """Count the weights above the mean of those that are seen: ``(..., F)`` to ``(..., 1)``."""
    mean = weights.sum(dim=-1, keepdim=True) / seen.sum(dim=-1, keepdim=True).clamp(min=1)
    return (weights > mean * (1 + _ROUNDING)).sum(dim=-1, keepdim=True)


def _uncompiled(recurrence: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Leave a recurrence out of a compiled graph: a compiler would unroll the words, minutes for each number of them.

    As a decorator, ``torch.compiler.disable`` would load the compiler with this file, which doubles the time to import
    torch.
    """
    if not torch.compiler.is_compiling():
        return recurrence
    disabled: Callable[[Tensor, Tensor], Tensor] = torch.compiler.disable(recurrence)  # type: ignore[no-untyped-call]
    return disabled


class GCPU(nn.Module):
    """Gated context perception unit, Eq. 1-6: a recurrent unit with two inputs.

    Each map holds the weights of several equations, in the order r, z~, g~, u of their results.
    """

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.from_z = nn.Linear(dims, 2 * dims, bias=False)  # to r, z~
        self.from_g = nn.Linear(dims, 2 * dims, bias=False)  # to r, g~
        self.from_h = nn.Linear(dims, dims, bias=False)  # to r
        self.from_reset = nn.Linear(dims, 3 * dims, bias=False)  # r * h, to z~, g~, u
        self.from_candidates = nn.Linear(2 * dims, dims, bias=False)  # z~ and g~, to u
        self.bias = nn.Parameter(torch.empty(4 * dims).uniform_(-(dims**-0.5), dims**-0.5))

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        """Return the hidden states ``(N, L, D)`` for words and contexts ``(N, L, D)``."""
        return _uncompiled(self._word_by_word)(z, g)

    def _word_by_word(self, z: Tensor, g: Tensor) -> Tensor:
        # The state adds up over the words: autocast would round it at each.
        with torch.autocast(z.device.type, enabled=False):
            return self._states(z.to(self.bias.dtype), g.to(self.bias.dtype))

    def _states(self, z: Tensor, g: Tensor) -> Tensor:
        w_zr, w_zz = self.from_z.weight.chunk(2)
        w_gr, w_gg = self.from_g.weight.chunk(2)
        w_hr = self.from_h.weight
        w_hz, w_hg, w_hu = self.from_reset.weight.chunk(3)
        w_zu, w_gu = self.from_candidates.weight.chunk(2, dim=1)
        b_r, b_z, b_g, b_u = self.bias.chunk(4)
        # The products with inputs, for all words at once: (N, L, D) each.
        inputs = (F.linear(z, w_zr, b_r) + F.linear(g, w_gr), F.linear(z, w_zz, b_z), F.linear(g, w_gg, b_g))
        h, states = torch.zeros_like(z[:, 0]), []
        for to_r, to_z, to_g in zip(*(part.unbind(dim=1) for part in inputs), strict=True):  # (N, D) each
            r = torch.sigmoid(F.linear(h, w_hr) + to_r)  # Eq. 1
            reset = r * h
            candidate_z = torch.tanh(F.linear(reset, w_hz) + to_z)  # Eq. 2
            candidate_g = torch.tanh(F.linear(reset, w_hg) + to_g)  # Eq. 3
            u = torch.sigmoid(
                F.linear(candidate_z, w_zu) + F.linear(candidate_g, w_gu) + F.linear(reset, w_hu, b_u)
            )  # Eq. 5
            h = reset + u * (candidate_z + candidate_g)  # Eq. 4 and 6
            states.append(h)
        return torch.stack(states, dim=1)


class MGRU(nn.Module):
    """GCPU with the complementary update of a GRU (Fig. 4a).

    Each map holds the weights of several results, in the order r, u, z~, g~.
    """

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.from_z = nn.Linear(dims, 3 * dims, bias=False)  # to r, u, z~
        self.from_g = nn.Linear(dims, 3 * dims, bias=False)  # to r, u, g~
        self.from_h = nn.Linear(dims, 2 * dims, bias=False)  # to r, u
        self.from_reset = nn.Linear(dims, 2 * dims, bias=False)  # r * h, to z~, g~
        self.bias = nn.Parameter(torch.empty(4 * dims).uniform_(-(dims**-0.5), dims**-0.5))

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        """Return the hidden states ``(N, L, D)`` for words and contexts ``(N, L, D)``."""
        return _uncompiled(self._word_by_word)(z, g)

    def _word_by_word(self, z: Tensor, g: Tensor) -> Tensor:
        dims = z.shape[-1]
        z_to_gates, z_to_candidate = torch.split(self.from_z(z), [2 * dims, dims], dim=-1)
        g_to_gates, g_to_candidate = torch.split(self.from_g(g), [2 * dims, dims], dim=-1)
        inputs = torch.cat([z_to_gates + g_to_gates, z_to_candidate, g_to_candidate], dim=-1) + self.bias  # (N, L, 4 D)
        h, states = torch.zeros_like(z[:, 0]), []
        for step in inputs.unbind(dim=1):
            r, u = torch.sigmoid(step[:, : 2 * dims] + self.from_h(h)).chunk(2, dim=-1)
            candidates = torch.tanh(step[:, 2 * dims :] + self.from_reset(r * h))  # Eq. 2-3  (N, 2 D)
            h = (1 - u) * h + u * (candidates[:, :dims] + candidates[:, dims:])
            states.append(h)
        return torch.stack(states, dim=1)


class PlainGRU(nn.Module):
    """A GRU that reads the words alone, with the signature of the other units."""

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.gru = nn.GRU(dims, dims, batch_first=True)

    def forward(self, z: Tensor, g: Tensor) -> Tensor:  # noqa: ARG002 - it reads no context
        """Return the hidden states ``(N, L, D)`` for words ``(N, L, D)``."""
        hidden: Tensor = self.gru(z)[0]
        return hidden


UNITS: dict[str, Callable[..., nn.Module]] = {"gcpu": GCPU, "mgru": MGRU, "gru": PlainGRU}


class DynamicFrameConvolution(nn.Module):
    """One layer of DFC (Sec. 2.3): windows of steps, weighted by one kernel per position and channel.

    In evaluation mode without gradients, the kernels are computed once. They are forgotten wherever the weights may
    change: in training mode, with a state dict, and on the way to another device or dtype.
    """

    def __init__(self, config: MFDRConfig, *, steps: int, stride: int) -> None:
        super().__init__()
        self.span, self.stride = config.span, stride
        self.map = nn.Parameter(torch.randn(1, config.dims, steps))  # M
        self.narrow = nn.Conv1d(config.dims, config.channels, config.span, stride=stride)
        self.norm = nn.LayerNorm(config.channels)
        self.widen = nn.Conv1d(config.channels, config.span * config.dims, 1)
        self._kept: Tensor | None = None
        self.register_load_state_dict_post_hook(DynamicFrameConvolution.forget_kernels)  # type: ignore[no-untyped-call]

    def kernels(self) -> Tensor:
        """Return a weight per position, step of its window, and channel: ``(S, span, D)``."""
        if self.training or torch.is_grad_enabled():
            return self._generated()
        if self._kept is None:
            self._kept = self._generated()
        return self._kept

    # Kept kernels serve calls with autocast and without it, so that they are never rounded.
    def _generated(self) -> Tensor:
        with torch.autocast(self.map.device.type, enabled=False):
            narrow = self.norm(rearrange(self.narrow(self.map), "1 c s -> 1 s c"))
            widened = self.widen(rearrange(F.relu(narrow), "1 s c -> 1 c s"))
        kernels: Tensor = rearrange(widened, "1 (f d) s -> s f d", f=self.span)  # Eq. 8
        return kernels

    def forget_kernels(self, *_: object) -> None:
        """Forget the kernels, so that they are computed again when they are needed next."""
        self._kept = None

    def train(self, mode: bool = True) -> Self:
        """Set the mode, as for every module."""
        if mode:
            self.forget_kernels()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.forget_kernels()
        applied: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return applied

    def forward(self, hidden: Tensor) -> Tensor:
        """Return ``(N, S, D)`` for ``(N, steps, D)``."""
        kernels = self.kernels()
        covered = self.stride * (len(kernels) - 1) + 1
        parts = [hidden[:, f : f + covered : self.stride] * kernels[:, f] for f in range(self.span)]  # (N, S, D) each
        return torch.stack(parts).sum(dim=0)


class WindowPooling(nn.Module):
    """Maximum or mean of the steps in each of DFC's windows, channel by channel (Table 3)."""

    def __init__(self, config: MFDRConfig, *, stride: int) -> None:
        super().__init__()
        self.pool = (nn.MaxPool1d if config.pooling == "max" else nn.AvgPool1d)(config.span, stride)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return ``(N, S, D)`` for ``(N, steps, D)``."""
        pooled: Tensor = rearrange(self.pool(rearrange(hidden, "n s d -> n d s")), "n d s -> n s d")
        return pooled


class MFDR(nn.Module):
    """The systems of Table 3.

    Args:
        config: The row and its sizes.
        shapes: Sizes of the streams that the config names.
        task: The task: classes, or a score, which the paper learns on CMU-MOSEI.
    """

    def __init__(self, config: MFDRConfig, *, shapes: Mapping[Role, StreamShape], task: Task) -> None:
        super().__init__()
        self.config, self.task = config, task
        self.embed_speech = nn.Linear(shapes["speech"].width, config.dims)
        self.embed_text = nn.Linear(shapes["text"].width, config.dims)
        self.combine: nn.Module
        if config.attention == "full-size":
            self.combine = Attention(dims=config.dims, heads=1, merge=False, target=POSITION, source="speech")
        else:
            self.combine = SlidingWindowAttention(config)
        if config.context:
            self.context = Attention(dims=config.dims, heads=config.heads, target=POSITION, source=POSITION)
        self.unit = UNITS[config.unit](dims=config.dims)
        self.refine = nn.Sequential(
            *(
                DynamicFrameConvolution(config, steps=steps, stride=stride)
                if config.pooling == "dfc"
                else WindowPooling(config, stride=stride)
                for steps, stride in zip(config.steps[:-1], config.strides, strict=False)
            )
        )
        self.classify = output_layer(config.steps[-1] * config.dims, task)

    def forward(self, batch: Batch) -> Output:
        """Return logits ``(N, C)``, the flattened steps, and the task's loss term if there are labels."""
        frames, frames_present = (part["speech"][:, : self.config.frames] for part in (batch.features, batch.present))
        words, words_present = (self._positions(part["text"]) for part in (batch.features, batch.present))
        words = words.masked_fill(~words_present.unsqueeze(-1), 0)
        words, frames = self.embed_text(words), self.embed_speech(frames)  # (N, L, D), (N, T, D)
        if self.config.attention == "full-size":
            z = self.combine(words, frames, frames_present)  # (N, L, D)
        else:
            z = self.combine(words, frames, words_present, frames_present)  # (N, L, D)
        if self.config.residual:
            z = z + words
        g = self.context(z, z, torch.ones_like(words_present)) if self.config.context else z  # (N, L, D)
        hidden = self.unit(z, g)  # (N, L, D)
        embedding = rearrange(self.refine(hidden), "n s d -> n (s d)")
        logits = self.classify(embedding)
        losses = {} if batch.labels is None else label_loss(logits, batch.labels, self.task)
        return Output(logits=logits, embedding=embedding, losses=losses)

    def _positions(self, part: Tensor) -> Tensor:
        """Return features or mask of the text ``(N, steps, ...)``, cut and padded to ``(N, L, ...)``."""
        part = part[:, : self.config.words]
        missing = self.config.words - part.shape[1]
        return torch.cat([part, part.new_zeros(len(part), missing, *part.shape[2:])], dim=1)

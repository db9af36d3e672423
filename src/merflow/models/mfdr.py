"""Multiple-stage fusion and a dynamically refined network for speech and words.

Paper: Z. Zhao, T. Gao, H. Wang, B. Schuller, "MFDR: Multiple-stage Fusion and Dynamically Refined Network for
Multimodal Emotion Recognition", 2024.

Claim: words that look at the frames near them, through windows that widen where words and frames agree (SAWA), a
recurrent unit that reads words and their context side by side (GCPU), and a pooling over time with a learned kernel for
every place (DFC) each help: 75.7 % WA and 77.0 % UA on IEMOCAP in five folds, 78.4 % and 79.2 % in ten.

Decisions, where the paper is silent or its indices do not agree:
    - Speech and text each go through one linear map to 256 dimensions. Words are the text's steps, the special
      tokens among them; the first 50 are read, and the first 5.12 s of speech, which are 255 frames of WavLM.
    - Word i has the window of frames i h to i h + w, for the wider windows of Table 3 with the same hop 5. Algorithm 1
      indexes by w where its text moves by h; here half a window joins on either side, then the next half windows.
    - Frames before the start, behind the end and in the padding are in no softmax and in no mean; the widths that a
      strength is compared with stay as they are, so that a cut window is less likely to widen. A weight is above the
      mean if it is so by more than rounding: equal weights are no key points.
    - z is a word's own vector and what the frames add to it, as in a Transformer. In the paper's text the frames alone
      make z, and the words enter by the weights only; `as-written` does so, and learns clearly less.
    - SAWA has one head, as Algorithm 1; the context g has 8. Neither has positions.
    - MGRU: both gates read h, z and g; h_t = (1 - u) h_{t-1} + u h~. GRU: PyTorch's, over z alone. Without context: g
      is z itself.
    - Steps that are no words are zeros before DFC, so that 8 steps of 256 are always flattened. DFC has no bias and no
      activation between its layers. Its map is drawn from a normal distribution; the first convolution has width and
      hop of the frames, the second width 1. Kernels are made once a batch: they depend on no utterance.
    - Max- and average pooling use the same windows as DFC, over the words in them. Without DFC all 50 steps are
      flattened.

Shapes: N utterances, T frames, L words, D = 256 model width, R frames in reach of a word, S steps after a window,
C classes. ``present`` masks are True at real steps, which come first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from merflow.contracts.batch import Batch, LossTerm, Output
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.models.layers import Attention, Shown, masked_max, masked_mean
from merflow.models.windows import Windows

# By so much, relatively, a weight has to be above the mean.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class MFDRConfig:
    """Which row of Table 3, and its sizes.

    Attributes:
        attention: ``sawa`` adapts its windows, ``sliwa`` does not, ``full-size`` has none.
        window: Frames in a word's window, w (Sec. 3.2); even.
        hop: Frames from a word's window to the next one's, h (Sec. 3.2).
        alignment: ``paced`` gives every word the same time (the paper's); ``proportional`` spreads the windows evenly
            over the utterance's frames.
        residual: Whether a word's own vector joins what its frames give (decision).
        unit: Recurrent unit that reads the words.
        context: Whether the unit reads attention over all words; never with ``gru``.
        pooling: What makes few steps of many.
        target: ``score`` is one number (CMU-MOSEI), learned with an L1 loss.
        dims: Model width D (Sec. 3.2).
        heads: Of the context's attention (decision).
        frames: T (Sec. 3.2).
        words: L (Sec. 3.2).
        clip_s: Seconds of speech (decision: T frames of WavLM).
        span: Steps that a kernel reads (Sec. 3.2).
        strides: Of the two layers (Sec. 3.2).
        channels: Of the kernel generation's middle layer (Sec. 3.2).
    """

    attention: Literal["sawa", "sliwa", "full-size"] = "sawa"
    window: int = 10
    hop: int = 5
    alignment: Literal["paced", "proportional"] = "paced"
    residual: bool = True
    unit: Literal["gcpu", "mgru", "gru"] = "gcpu"
    context: bool = True
    pooling: Literal["dfc", "max", "mean", "none"] = "dfc"
    target: Literal["classes", "score"] = "classes"
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
            raise ValueError(f"window {self.window} is odd; half a window joins on either side")
        if self.dims % self.heads:
            raise ValueError(f"{self.heads} heads do not divide dims {self.dims}")
        if self.unit == "gru" and self.context:
            raise ValueError("unit gru reads no context; choose context false")
        if self.steps[-1] < 1:
            raise ValueError(f"{self.words} words are too few for strides {self.strides}")

    @property
    def steps(self) -> tuple[int, ...]:
        """Words, and steps after each layer of pooling (Eq. 7)."""
        found = [self.words]
        for stride in self.strides if self.pooling != "none" else ():
            found.append((found[-1] - self.span) // stride + 1)  # Eq. 7
        return tuple(found)

    def streams(self) -> tuple[Stream, ...]:
        """What the system reads."""
        return Stream("speech", encoder="wavlm-base", clip_s=self.clip_s), Stream("text", encoder="bert-base")


class SlidingWindowAttention(nn.Module):
    """SliWa, and with adaptive width SAWA (Algorithm 1): each word attends to frames near it.

    Paced windows are views of the frames, so that time and memory grow with L w and not with L T. Proportional windows
    lie elsewhere in every utterance, and are picked from a table of all words and frames.
    """

    def __init__(self, config: MFDRConfig) -> None:
        super().__init__()
        self.config = config
        before = config.window if config.attention == "sawa" else 0
        self.windows = Windows(hop=config.hop, reach=config.window + 2 * before, before=before)
        self.query = nn.Linear(config.dims, config.dims, bias=False)
        self.key = nn.Linear(config.dims, config.dims, bias=False)
        self.value = nn.Linear(config.dims, config.dims, bias=False)
        self.show = Shown("text", "window")

    def forward(self, words: Tensor, frames: Tensor, spoken: Tensor, present: Tensor) -> Tensor:
        """Words ``(N, L, D)`` and frames ``(N, T, D)`` with their masks to ``(N, L, D)``."""
        return self.attend(self.query(words), self.key(frames), self.value(frames), spoken, present)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, spoken: Tensor, present: Tensor) -> Tensor:
        """As :meth:`forward`, behind the projections."""
        scale = query.shape[-1] ** -0.5
        if self.config.alignment == "paced":
            places = self._places(self.config.hop * torch.arange(query.shape[1], device=query.device))
            weights = self._weights(self.windows.scores(query, key) * scale, places, present)
            combined = self.windows.sums(weights, value)
        else:
            scores = query @ key.mT * scale  # (N, L, T)
            places = self._places(self._spread(spoken, present))
            near = places.clamp(0, key.shape[1] - 1)
            weights = self._weights(scores.gather(-1, near), places, present)
            # Places outside were moved to the nearest frame; their weights of zero add nothing there.
            table = torch.zeros_like(scores, dtype=weights.dtype).scatter_add(-1, near, weights)  # diag_att
            combined = table @ value
        self.show(weights)
        return combined

    def _spread(self, spoken: Tensor, present: Tensor) -> Tensor:
        """First frames of windows ``(N, L)``: of the first word the first, of the last word the last possible."""
        room = (present.sum(dim=1, keepdim=True) - self.config.window).clamp(min=0)
        last = (spoken.sum(dim=1, keepdim=True) - 1).clamp(min=1)
        return torch.arange(spoken.shape[1], device=spoken.device) * room // last

    def _places(self, starts: Tensor) -> Tensor:
        """From windows' first frames to all frames in reach ``(..., L, R)``, of which some do not exist."""
        reach = torch.arange(self.windows.reach, device=starts.device)
        return starts.unsqueeze(-1) - self.windows.before + reach

    def _weights(self, scores: Tensor, places: Tensor, present: Tensor) -> Tensor:
        """Algorithm 1 for the frames in reach ``(N, L, R)``: rows sum to 1, 2 or 3, or 0 where no frame exists.

        Frames come first in it, for many sums over few frames are quicker than few frames at a time.
        """
        frames = rearrange(present.sum(dim=1), "n -> n 1 1")
        seen = rearrange((places >= 0) & (places < frames), "n l r -> r n l")
        scores = rearrange(scores, "n l r -> r n l").contiguous()
        weights = self._widened(scores, seen) if self.config.attention == "sawa" else _softmax(scores, seen, dim=0)
        return rearrange(weights, "r n l -> n l r")

    def _widened(self, scores: Tensor, seen: Tensor) -> Tensor:
        """``(R, N, L)`` to weights of the same shape."""
        scores, seen = self._rings(scores), self._rings(seen)
        middle, near, far = weights = _softmax(scores, seen, dim=1)
        wider = _key_points(middle, seen[0]) >= self.config.window // 2  # lines 2-4 and 6
        widest = wider & (_key_points(weights[:2].flatten(0, 1), seen[:2].flatten(0, 1)) >= self.config.window)
        (left, right), (far_left, far_right) = (near * wider).chunk(2), (far * widest).chunk(2)  # lines 7-12
        return torch.cat([far_left, left, middle, right, far_right])  # lines 13-16

    def _rings(self, reached: Tensor) -> Tensor:
        """A word's own window, what joins it on either side, and what joins these: ``(R, ...)`` to ``(3, w, ...)``."""
        width, half = self.config.window, self.config.window // 2
        far_left, left, middle, right, far_right = torch.split(reached, [half, half, width, half, half])
        ordered = torch.cat([middle, left, right, far_left, far_right])
        return ordered.view(3, width, *reached.shape[1:])


def _softmax(scores: Tensor, seen: Tensor, *, dim: int) -> Tensor:
    """Over the frames that exist, zeros elsewhere."""
    return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=dim) * seen


def _key_points(weights: Tensor, seen: Tensor) -> Tensor:
    """How many weights are above the mean of those that exist: ``(R, ...)`` to ``(...)``."""
    mean = weights.sum(dim=0) / seen.sum(dim=0).clamp(min=1)
    return (weights > mean * (1 + _ROUNDING)).sum(dim=0)


class GCPU(nn.Module):
    """Gated context perception unit, Eq. 1-6: a recurrent unit with two inputs.

    Weights of several equations lie together, in the order r, z~, g~, u of what they make.
    """

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.from_z = nn.Linear(dims, 2 * dims, bias=False)  # to r, z~
        self.from_g = nn.Linear(dims, 2 * dims, bias=False)  # to r, g~
        self.from_h = nn.Linear(dims, dims, bias=False)  # to r
        self.from_kept = nn.Linear(dims, 3 * dims, bias=False)  # r * h, to z~, g~, u
        self.from_candidates = nn.Linear(2 * dims, dims, bias=False)  # z~ and g~, to u
        self.bias = nn.Parameter(torch.empty(4 * dims).uniform_(-(dims**-0.5), dims**-0.5))

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        """Words and contexts ``(N, L, D)`` to hidden states ``(N, L, D)``."""
        maps = (self.from_z, self.from_g, self.from_h, self.from_kept, self.from_candidates)
        # The state adds up over the words: autocast would round it at each.
        with torch.autocast(z.device.type, enabled=False):
            z, g = (rearrange(part, "n l d -> l n d").to(self.bias.dtype) for part in (z, g))
            hidden: Tensor = gcpu(z, g, self.bias, [part.weight for part in maps])[0]
        return rearrange(hidden[1:], "l n d -> n l d")


# GCPU is an operator of its own: a step is three products of contiguous matrices, gradients of the weights are one
# product over all steps, and a compiler or a CUDA graph takes the steps as they are instead of unrolling them.
@torch.library.custom_op("merflow::gcpu", mutates_args=())
def gcpu(z: Tensor, g: Tensor, bias: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Words and contexts ``(L, N, D)`` to hidden states, the first of them zeros, ``(L + 1, N, D)``.

    Returns:
        The states, then what their gradient needs: each r * h ``(L, N, D)``, and r, z~, g~ and u ``(L, N, 4 D)``.
    """
    hidden, kept, gates = _empty_states(z, g, bias, weights)
    dims = z.shape[-1]
    from_z, from_g, from_h, from_kept, from_candidates = (part.t().contiguous() for part in weights)
    rows = gates.view(-1, 4 * dims).copy_(bias)
    rows[:, : 2 * dims].addmm_(z.flatten(0, 1), from_z)
    rows[:, :dims].addmm_(g.flatten(0, 1), from_g[:, :dims])
    rows[:, 2 * dims : 3 * dims].addmm_(g.flatten(0, 1), from_g[:, dims:])
    h = hidden[0].zero_()
    for t, step in enumerate(gates.unbind()):
        r, candidates, u = torch.split(step, [dims, 2 * dims, dims], dim=1)
        r.addmm_(h, from_h).sigmoid_()  # Eq. 1  (N, D)
        torch.mul(r, h, out=kept[t])
        step[:, dims:].addmm_(kept[t], from_kept)
        candidates.tanh_()  # Eq. 2-3  (N, 2 D)
        u.addmm_(candidates, from_candidates).sigmoid_()  # Eq. 5
        h = torch.addcmul(kept[t], u, candidates[:, :dims] + candidates[:, dims:], out=hidden[t + 1])  # Eq. 4, 6
    return hidden, kept, gates


@gcpu.register_fake
def _empty_states(z: Tensor, g: Tensor, bias: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    steps, count, dims = z.shape
    return z.new_empty(steps + 1, count, dims), z.new_empty(steps, count, dims), z.new_empty(steps, count, 4 * dims)


@torch.library.custom_op("merflow::gcpu_back", mutates_args=())
def gcpu_back(gradient: Tensor, hidden: Tensor, gates: Tensor, weights: list[Tensor]) -> Tensor:
    """From the gradient of the states to that of what enters the nonlinearities of r, z~, g~ and u ``(L, N, 4 D)``."""
    _, _, from_h, from_kept, from_candidates = weights
    dims = hidden.shape[-1]
    of_sigmoid, of_tanh = torch.ops.aten.sigmoid_backward.grad_input, torch.ops.aten.tanh_backward.grad_input
    found = torch.empty_like(gates)
    carried = torch.zeros_like(hidden[0])  # from the step after
    for t in reversed(range(len(gates))):
        r, candidates, u = torch.split(gates[t], [dims, 2 * dims, dims], dim=1)
        to_r, to_candidates, to_u = torch.split(found[t], [dims, 2 * dims, dims], dim=1)
        of_h = gradient[t + 1] + carried  # (N, D)
        of_sigmoid(of_h * (candidates[:, :dims] + candidates[:, dims:]), u, grad_input=to_u)
        of_candidates = torch.addmm((of_h * u).repeat(1, 2), to_u, from_candidates)  # (N, 2 D)
        of_tanh(of_candidates, candidates, grad_input=to_candidates)
        of_kept = torch.addmm(of_h, found[t, :, dims:], from_kept)
        of_sigmoid(of_kept * hidden[t], r, grad_input=to_r)
        carried = torch.addmm(of_kept * r, to_r, from_h)
    return found


@gcpu_back.register_fake
def _empty_gradient(gradient: Tensor, hidden: Tensor, gates: Tensor, weights: list[Tensor]) -> Tensor:  # noqa: ARG001
    return torch.empty_like(gates)


def _keep_for_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401
    z, g, _, weights = inputs
    ctx.save_for_backward(z, g, *output, *weights)


def _gradients(ctx: Any, of_hidden: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:  # noqa: ANN401
    z, g, hidden, kept, gates, *weights = ctx.saved_tensors
    dims = z.shape[-1]
    found = gcpu_back(of_hidden, hidden, gates, weights).flatten(0, 1)  # (L N, 4 D)
    to_r, _, to_g, to_u = found.split(dims, dim=1)
    to_r_and_z, from_z, (g_to_r, g_to_g) = found[:, : 2 * dims], weights[0], weights[1].chunk(2)
    of_z = (to_r_and_z @ from_z).view_as(z)
    of_g = torch.addmm(to_r @ g_to_r, to_g, g_to_g).view_as(g)
    z, g, before, kept, gates = (part.flatten(0, 1) for part in (z, g, hidden[:-1], kept, gates))
    of_weights = [
        to_r_and_z.mT @ z,
        torch.cat([to_r.mT @ g, to_g.mT @ g]),
        to_r.mT @ before,
        found[:, dims:].mT @ kept,
        to_u.mT @ gates[:, dims : 3 * dims],
    ]
    return of_z, of_g, found.sum(dim=0), of_weights


gcpu.register_autograd(_gradients, setup_context=_keep_for_gradient)


class MGRU(nn.Module):
    """GCPU with a GRU's complementary update (Fig. 4a); weights in the order r, u, z~, g~ of what they make."""

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.from_z = nn.Linear(dims, 3 * dims, bias=False)  # to r, u, z~
        self.from_g = nn.Linear(dims, 3 * dims, bias=False)  # to r, u, g~
        self.from_h = nn.Linear(dims, 2 * dims, bias=False)  # to r, u
        self.from_kept = nn.Linear(dims, 2 * dims, bias=False)  # r * h, to z~, g~
        self.bias = nn.Parameter(torch.empty(4 * dims).uniform_(-(dims**-0.5), dims**-0.5))

    # A compiler would unroll the steps, and take minutes.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        """Words and contexts ``(N, L, D)`` to hidden states ``(N, L, D)``."""
        dims = z.shape[-1]
        z_to_gates, z_to_candidate = torch.split(self.from_z(z), [2 * dims, dims], dim=-1)
        g_to_gates, g_to_candidate = torch.split(self.from_g(g), [2 * dims, dims], dim=-1)
        inputs = torch.cat([z_to_gates + g_to_gates, z_to_candidate, g_to_candidate], dim=-1) + self.bias  # (N, L, 4 D)
        h, hidden = torch.zeros_like(z[:, 0]), []
        for step in inputs.unbind(dim=1):
            r, u = torch.sigmoid(step[:, : 2 * dims] + self.from_h(h)).chunk(2, dim=-1)
            candidates = torch.tanh(step[:, 2 * dims :] + self.from_kept(r * h))  # Eq. 2-3  (N, 2 D)
            h = (1 - u) * h + u * (candidates[:, :dims] + candidates[:, dims:])
            hidden.append(h)
        return torch.stack(hidden, dim=1)


class PlainGRU(nn.Module):
    """A GRU over the words alone, called as the other units."""

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.gru = nn.GRU(dims, dims, batch_first=True)

    def forward(self, z: Tensor, g: Tensor) -> Tensor:  # noqa: ARG002 - it reads no context
        """Words ``(N, L, D)`` to hidden states ``(N, L, D)``."""
        hidden: Tensor = self.gru(z)[0]
        return hidden


UNITS: dict[str, Callable[..., nn.Module]] = {"gcpu": GCPU, "mgru": MGRU, "gru": PlainGRU}


class DynamicFrameConvolution(nn.Module):
    """One layer of DFC (Sec. 2.3): windows of steps, each weighed by a kernel of its place and channel."""

    def __init__(self, config: MFDRConfig, *, steps: int, stride: int) -> None:
        super().__init__()
        self.span, self.stride = config.span, stride
        self.map = nn.Parameter(torch.randn(1, config.dims, steps))  # M
        self.narrow = nn.Conv1d(config.dims, config.channels, config.span, stride=stride)
        self.norm = nn.LayerNorm(config.channels)
        self.widen = nn.Conv1d(config.channels, config.span * config.dims, 1)

    def kernels(self) -> Tensor:
        """Eq. 8: one weight for each place, step of its window and channel, ``(S, span, D)``."""
        narrow = self.norm(rearrange(self.narrow(self.map), "1 c s -> 1 s c"))
        widened = self.widen(rearrange(F.relu(narrow), "1 s c -> 1 c s"))
        kernels: Tensor = rearrange(widened, "1 (f d) s -> s f d", f=self.span)
        return kernels

    def forward(self, hidden: Tensor) -> Tensor:
        """``(N, steps, D)`` to ``(N, S, D)``."""
        kernels = self.kernels()
        reached = self.stride * (len(kernels) - 1) + 1
        parts = [hidden[:, f : f + reached : self.stride] * kernels[:, f] for f in range(self.span)]  # (N, S, D) each
        return torch.stack(parts).sum(dim=0)


def window_pool(kind: str, hidden: Tensor, present: Tensor, *, span: int, stride: int) -> tuple[Tensor, Tensor]:
    """Maximum or mean of each window's real steps: ``(N, S, D)``, zeros where there is none, and their mask."""
    windows = rearrange(hidden.unfold(1, span, stride), "n s d f -> (n s) f d")
    real = rearrange(present.unfold(1, span, stride), "n s f -> (n s) f")
    pooled = (masked_max if kind == "max" else masked_mean)(windows, real)
    count = len(hidden)
    return rearrange(pooled, "(n s) d -> n s d", n=count), rearrange(real.any(dim=1), "(n s) -> n s", n=count)


class MFDR(nn.Module):
    """The rows of Table 3.

    Args:
        config: Which row, and its sizes.
        shapes: Sizes of the streams that the config asks for.
        classes: Number of emotion classes; without meaning for a score.
    """

    def __init__(self, config: MFDRConfig, *, shapes: Mapping[Role, StreamShape], classes: int) -> None:
        super().__init__()
        self.config = config
        self.embed_speech = nn.Linear(shapes["speech"].width, config.dims)
        self.embed_text = nn.Linear(shapes["text"].width, config.dims)
        self.combine: nn.Module
        if config.attention == "full-size":
            self.combine = Attention(dims=config.dims, heads=1, merge=False, target="text", source="speech")
        else:
            self.combine = SlidingWindowAttention(config)
        if config.context:
            self.context = Attention(dims=config.dims, heads=config.heads, target="text", source="text")
        self.unit = UNITS[config.unit](dims=config.dims)
        self.refine = nn.ModuleList(
            DynamicFrameConvolution(config, steps=steps, stride=stride)
            for steps, stride in zip(config.steps, config.strides, strict=False)
            if config.pooling == "dfc"
        )
        self.classify = nn.Linear(config.steps[-1] * config.dims, classes if config.target == "classes" else 1)

    def forward(self, batch: Batch) -> Output:
        """Logits ``(N, C)``, or scores ``(N, 1)``; the flattened steps; and the loss term ``ce`` or ``l1``."""
        frames, present = (values["speech"][:, : self.config.frames] for values in (batch.features, batch.present))
        words, spoken = (values["text"][:, : self.config.words] for values in (batch.features, batch.present))
        words, frames = self.embed_text(words), self.embed_speech(frames)  # (N, L, D), (N, T, D)
        if self.config.attention == "full-size":
            combined = self.combine(words, frames, present)
        else:
            combined = self.combine(words, frames, spoken, present)  # z, (N, L, D)
        if self.config.residual:
            combined = combined + words
        context = self.context(combined, combined, spoken) if self.config.context else combined  # g, (N, L, D)
        hidden = self.unit(combined, context) * spoken.unsqueeze(-1)  # (N, L, D)
        missing = self.config.words - words.shape[1]
        refined = self._refined(F.pad(hidden, (0, 0, 0, missing)), F.pad(spoken, (0, missing)))
        embedding = rearrange(refined, "n s d -> n (s d)")
        logits = self.classify(embedding)
        return Output(logits=logits, embedding=embedding, losses=self._losses(logits, batch.labels))

    def _refined(self, hidden: Tensor, spoken: Tensor) -> Tensor:
        """All steps ``(N, words, D)`` to the few that are classified ``(N, S, D)``."""
        for layer in self.refine:
            hidden = layer(hidden)
        if self.config.pooling in ("max", "mean"):
            for stride in self.config.strides:
                hidden, spoken = window_pool(self.config.pooling, hidden, spoken, span=self.config.span, stride=stride)
        return hidden

    def _losses(self, logits: Tensor, labels: Tensor | None) -> dict[str, LossTerm]:
        if labels is None:
            return {}
        if self.config.target == "score":
            return {"l1": LossTerm(F.l1_loss(logits.squeeze(1), labels))}
        return {"ce": LossTerm(F.cross_entropy(logits, labels))}

"""What does Foal-Net's training step cost beside a straightforward implementation? Paper size, same weights, same loss.

The straightforward one is written as the paper's equations read: torch's own multi-head attention, a Python loop that
looks for hard negatives, and the fusion three times (positive pairs, negative pairs, classifier). Both must give the
same loss and gradients before anything is timed. Their steps alternate, and each one's median counts, so that a busy
machine hits both alike.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from statistics import median
from time import perf_counter
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.record import write_result
from merflow.contracts.batch import Batch
from merflow.contracts.streams import Role, StreamShape
from merflow.models.foal_net import Alignment, CrossAttention, FoalNet, FoalNetConfig, Fusion, Interaction

SPEECH, VIDEO = (299, 1024), (180, 768)
CLASSES = 4

Loss = Callable[[Batch], Tensor]


class PlainLayer(nn.Module):
    """Eq. 11-16 with torch's own attention, and the weights of one of our layers."""

    def __init__(self, ours: Fusion, *, number: int) -> None:
        super().__init__()
        layer = ours.layers[number]
        assert isinstance(layer, CrossAttention)
        width, source = layer.query.in_features, layer.key.in_features
        self.attention = nn.MultiheadAttention(width, layer.heads, kdim=source, vdim=source, batch_first=True)
        state = {
            "q_proj_weight": layer.query.weight,
            "k_proj_weight": layer.key.weight,
            "v_proj_weight": layer.value.weight,
            "in_proj_bias": torch.cat([layer.query.bias, torch.zeros_like(layer.query.bias), layer.value.bias]),
            "out_proj.weight": layer.merge.weight,
            "out_proj.bias": layer.merge.bias,
        }
        self.attention.load_state_dict(state)
        self.dropout, self.norm = deepcopy(layer.dropout), deepcopy(layer.norm)

    def forward(self, target: Tensor, source: Tensor, present: Tensor) -> Tensor:
        """``(N, T, D)``, ``(N, S, E)`` and its mask to ``(N, T, D)``."""
        attended, _ = self.attention(target, source, source, key_padding_mask=~present, need_weights=False)
        normed: Tensor = self.norm(target + self.dropout(attended))
        return normed


class Straightforward(nn.Module):
    """The ``full`` preset's loss with the weights of ours."""

    def __init__(self, ours: FoalNet) -> None:
        super().__init__()
        interaction = ours.embed
        assert isinstance(interaction, Interaction)
        assert isinstance(interaction.align, Alignment)
        self.project = deepcopy(interaction.align.project)
        self.temperature = deepcopy(interaction.align.temperature)
        self.fusion = nn.ModuleDict()
        for target, fusion in interaction.fuse.items():
            assert isinstance(fusion, Fusion)
            self.fusion[target] = nn.ModuleList(PlainLayer(fusion, number=place) for place in range(len(fusion.layers)))
        self.match, self.classify = deepcopy(interaction.match), deepcopy(ours.classify)
        self.mem_weight = ours.config.mem_weight

    def forward(self, batch: Batch) -> Tensor:
        """The loss of Eq. 10."""
        assert batch.labels is not None
        equal = batch.labels.unsqueeze(1) == batch.labels
        speech = F.normalize(self.project["speech"](batch.features["speech"], batch.present["speech"]), dim=1)
        video = F.normalize(self.project["video"](batch.features["video"], batch.present["video"]), dim=1)
        scale = self.temperature.exp().clamp(max=100)
        a2v, v2a = scale * (speech @ video.T), scale * (video @ speech.T)
        align = -((a2v.log_softmax(dim=1) * equal).sum() + (v2a.log_softmax(dim=1) * equal).sum()) / (2 * len(equal))
        places = list(range(len(equal)))
        emotions = batch.labels.tolist()
        matching = 0.5 * (
            self.matching(batch, "speech", "video", negatives=hardest(a2v, emotions), places=places)
            + self.matching(batch, "video", "speech", negatives=hardest(v2a, emotions), places=places)
        )
        fused = [
            self.fused(batch, "speech", "video", places=places),
            self.fused(batch, "video", "speech", places=places),
        ]
        logits = self.classify(torch.cat(fused, dim=1))
        return F.cross_entropy(logits, batch.labels) + align + self.mem_weight * matching

    def matching(self, batch: Batch, target: Role, source: Role, *, negatives: list[int], places: list[int]) -> Tensor:
        """One modality's part of Eq. 9."""
        positive = self.fused(batch, target, source, places=places)
        negative = self.fused(batch, target, source, places=negatives)
        labels = torch.tensor([1] * len(positive) + [0] * len(negative), device=positive.device)
        return F.cross_entropy(self.match[target](torch.cat([positive, negative])), labels)

    def fused(self, batch: Batch, target: Role, source: Role, *, places: list[int]) -> Tensor:
        """The pooled fusion ``(N, D)`` of every utterance with the source of another one."""
        values, present = batch.features[target], batch.present[target]
        for layer in cast(nn.ModuleList, self.fusion[target]):
            values = layer(values, batch.features[source][places], batch.present[source][places])
        return (values * present.unsqueeze(2)).sum(dim=1) / present.sum(dim=1, keepdim=True)


def hardest(similarity: Tensor, emotions: list[int]) -> list[int]:
    """Eq. 4-5, row by row."""
    found = []
    for row, emotion in zip(similarity, emotions, strict=True):
        masked = row.clone()
        for place, other in enumerate(emotions):
            if other == emotion:
                masked[place] = -torch.inf
        found.append(int(masked.softmax(dim=0).argmax()))
    return found


def random_batch(*, utterances: int, device: torch.device) -> Batch:
    """Utterances of the paper's full lengths."""
    generator = torch.Generator().manual_seed(0)
    sizes: dict[Role, tuple[int, int]] = {"speech": SPEECH, "video": VIDEO}
    return Batch(
        features={role: torch.randn(utterances, *size, generator=generator) for role, size in sizes.items()},
        present={role: torch.ones(utterances, size[0], dtype=torch.bool) for role, size in sizes.items()},
        labels=torch.arange(utterances) % CLASSES,
        utterance_ids=tuple(map(str, range(utterances))),
    ).to(device)


def check_equal(ours: FoalNet, straightforward: Straightforward, batch: Batch) -> None:
    """Without dropout, the losses are the same, and so are the classifiers' gradients.

    Raises:
        AssertionError: They are not, and there is nothing to compare.
    """
    first, second = ours.eval()(batch).loss, straightforward.eval()(batch)
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)
    (first + second).backward()
    torch.testing.assert_close(ours.classify.weight.grad, straightforward.classify.weight.grad, rtol=1e-3, atol=1e-4)


def seconds_a_step(model: nn.Module, loss_of: Loss, batch: Batch, *, precision: torch.dtype) -> Callable[[], float]:
    """A training step of a model that returns how long it took."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, fused=True)
    device = batch.features["speech"].device

    def finished() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter()

    def step() -> float:
        started = finished()
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            loss = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return finished() - started

    return step


def measure(*, device: torch.device, precision: torch.dtype, utterances: int, rounds: int) -> dict[str, float]:
    """Seconds of both steps, and how many times faster ours is; the first round warms up."""
    torch.manual_seed(0)
    config = FoalNetConfig(modalities=("speech", "video"), avel=True, mem=True)
    shapes: dict[Role, StreamShape] = {"speech": StreamShape(None, SPEECH[1]), "video": StreamShape(None, VIDEO[1])}
    ours = FoalNet(config, shapes=shapes, classes=CLASSES).to(device)
    straightforward = Straightforward(ours).to(device)
    batch = random_batch(utterances=utterances, device=device)
    check_equal(ours, straightforward, batch)
    steps = {
        "straightforward": seconds_a_step(straightforward, straightforward, batch, precision=precision),
        "ours": seconds_a_step(ours, lambda given: ours(given).loss, batch, precision=precision),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            times[name].append(step())
    seconds = {f"{name}_s": median(found[1:]) for name, found in times.items()}
    return {**seconds, "times_faster": seconds["straightforward_s"] / seconds["ours_s"]}


def main() -> None:
    """Measures, prints, records; on a GPU in bf16, else in float32 with each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of the CPU")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, help="default: 3 on a CPU, 50 on a GPU")
    arguments = parser.parse_args()
    if arguments.device == "cuda" or (arguments.device == "auto" and torch.cuda.is_available()):
        device, precision, rounds, places = torch.device("cuda"), torch.bfloat16, 50, [0]
    else:
        device, precision, rounds, places = torch.device("cpu"), torch.float32, 3, arguments.threads
    figures = {}
    for threads in places:
        torch.set_num_threads(threads or torch.get_num_threads())
        name = f"{threads} CPU thread{'s'[: threads - 1]}" if threads else torch.cuda.get_device_name()
        figures[name] = measure(
            device=device, precision=precision, utterances=arguments.batch, rounds=arguments.rounds or rounds
        )
        print(f"{name}: " + "  ".join(f"{key} {value:.3f}" for key, value in figures[name].items()))
    write_result("foal_net", {"batch": arguments.batch, "steps": figures})


if __name__ == "__main__":
    main()

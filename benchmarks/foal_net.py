"""The time of Foal-Net's training step against a straightforward implementation, at the paper's size.

The straightforward implementation follows the paper's equations one by one: torch's own multi-head attention, a Python
loop that searches hard negatives, and three passes of the fusion (positive pairs, negative pairs, classifier). Both
have the same weights, and must give the same loss and gradients before anything is timed. Their steps alternate, and
the median of each counts. A CPU computes in float32 with one thread, a GPU in bf16.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.random_features import EMOTIONS
from benchmarks.record import write_result
from benchmarks.stopwatch import Work, fastest_device, medians, where
from merflow.contracts.batch import Batch
from merflow.contracts.streams import Role, StreamShape
from merflow.models.foal_net import Alignment, CrossAttention, FoalNet, FoalNetConfig, Fusion, Interaction

SPEECH, VIDEO = (299, 1024), (180, 768)
CLASSES, CHECKED = len(EMOTIONS.classes), 8

Loss = Callable[[Batch], Tensor]


class PlainLayer(nn.Module):
    """Eq. 11-16 with torch's own attention and the weights of one of the model's layers."""

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
        """Return ``(N, T, D)`` for target ``(N, T, D)``, source ``(N, S, E)`` and the source's mask."""
        attended, _ = self.attention(target, source, source, key_padding_mask=~present, need_weights=False)
        normed: Tensor = self.norm(target + self.dropout(attended))
        return normed


class Straightforward(nn.Module):
    """The loss of the ``full`` preset with the weights of a given model."""

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
            self.fusion[target] = nn.ModuleList(
                PlainLayer(fusion, number=number) for number in range(len(fusion.layers))
            )
        self.match, self.classify = deepcopy(interaction.match), deepcopy(ours.classify)
        self.mem_weight = ours.config.mem_weight

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of Eq. 10."""
        assert batch.labels is not None
        equal = batch.labels.unsqueeze(1) == batch.labels
        speech = F.normalize(self.project["speech"](batch.features["speech"], batch.present["speech"]), dim=1)
        video = F.normalize(self.project["video"](batch.features["video"], batch.present["video"]), dim=1)
        scale = self.temperature.exp().clamp(max=100)
        a2v, v2a = scale * (speech @ video.T), scale * (video @ speech.T)
        align = -((a2v.log_softmax(dim=1) * equal).sum() + (v2a.log_softmax(dim=1) * equal).sum()) / (2 * len(equal))
        rows = list(range(len(equal)))
        emotions = batch.labels.tolist()
        matching = 0.5 * (
            self.matching(batch, "speech", "video", negatives=hardest(a2v, emotions), rows=rows)
            + self.matching(batch, "video", "speech", negatives=hardest(v2a, emotions), rows=rows)
        )
        fused = [
            self.fused(batch, "speech", "video", rows=rows),
            self.fused(batch, "video", "speech", rows=rows),
        ]
        logits = self.classify(torch.cat(fused, dim=1))
        return F.cross_entropy(logits, batch.labels) + align + self.mem_weight * matching

    def matching(self, batch: Batch, target: Role, source: Role, *, negatives: list[int], rows: list[int]) -> Tensor:
        """Return one modality's part of Eq. 9."""
        positive = self.fused(batch, target, source, rows=rows)
        negative = self.fused(batch, target, source, rows=negatives)
        labels = torch.tensor([1] * len(positive) + [0] * len(negative), device=positive.device)
        return F.cross_entropy(self.match[target](torch.cat([positive, negative])), labels)

    def fused(self, batch: Batch, target: Role, source: Role, *, rows: list[int]) -> Tensor:
        """Return the pooled fusion ``(N, D)`` of every utterance with the source of the utterance in ``rows``."""
        values, present = batch.features[target], batch.present[target]
        for layer in cast(nn.ModuleList, self.fusion[target]):
            values = layer(values, batch.features[source][rows], batch.present[source][rows])
        return (values * present.unsqueeze(2)).sum(dim=1) / present.sum(dim=1, keepdim=True)


def hardest(similarity: Tensor, emotions: list[int]) -> list[int]:
    """Compute Eq. 4-5 row by row."""
    negatives = []
    for row, emotion in zip(similarity, emotions, strict=True):
        masked = row.clone()
        for column, other in enumerate(emotions):
            if other == emotion:
                masked[column] = -torch.inf
        negatives.append(int(masked.softmax(dim=0).argmax()))
    return negatives


def random_batch(*, utterances: int, device: torch.device) -> Batch:
    """Return random utterances of the paper's full lengths."""
    generator = torch.Generator().manual_seed(0)
    sizes: dict[Role, tuple[int, int]] = {"speech": SPEECH, "video": VIDEO}
    return Batch(
        features={role: torch.randn(utterances, *size, generator=generator) for role, size in sizes.items()},
        present={role: torch.ones(utterances, size[0], dtype=torch.bool) for role, size in sizes.items()},
        labels=torch.arange(utterances) % CLASSES,
        utterance_ids=tuple(map(str, range(utterances))),
    ).to(device)


def check_equal(ours: FoalNet, straightforward: Straightforward, batch: Batch) -> None:
    """Check that without dropout the losses and the classifiers' gradients are the same.

    Raises:
        AssertionError: They differ, so their times cannot be compared.
    """
    first, second = ours.eval()(batch).loss, straightforward.eval()(batch)
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)
    (first + second).backward()
    torch.testing.assert_close(ours.classify.weight.grad, straightforward.classify.weight.grad, rtol=1e-3, atol=1e-4)


def training_step(model: nn.Module, loss_of: Loss, batch: Batch, *, precision: torch.dtype) -> Work:
    """Return the training step of a model."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, fused=True)
    kind = batch.features["speech"].device.type

    def step() -> None:
        with torch.autocast(kind, dtype=precision, enabled=precision != torch.float32):
            loss = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def measured(device: torch.device, *, utterances: int, rounds: int) -> dict[str, float]:
    """Return the seconds of both steps, and their ratio."""
    torch.manual_seed(0)
    precision = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = FoalNetConfig(modalities=("speech", "video"), avel=True, mem=True)
    shapes: dict[Role, StreamShape] = {"speech": StreamShape(None, SPEECH[1]), "video": StreamShape(None, VIDEO[1])}
    ours = FoalNet(config, shapes=shapes, task=EMOTIONS).to(device)
    straightforward = Straightforward(ours).to(device)
    check_equal(ours, straightforward, random_batch(utterances=min(CHECKED, utterances), device=device))
    batch = random_batch(utterances=utterances, device=device)
    spent = medians(
        {
            "straightforward": training_step(straightforward, straightforward, batch, precision=precision),
            "ours": training_step(ours, lambda given: ours(given).loss, batch, precision=precision),
        },
        device,
        rounds=rounds,
    )
    return {
        "straightforward_s": spent["straightforward"],
        "ours_s": spent["ours"],
        "times_faster": spent["straightforward"] / spent["ours"],
    }


def main() -> None:
    """Measure, print and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="utterances per batch; by default the paper's")
    parser.add_argument("--rounds", type=int, help="measured rounds; by default 2 on a CPU and 50 on a GPU")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = fastest_device()
    rounds = options.rounds or (50 if device.type == "cuda" else 2)
    figures = measured(device, utterances=options.batch, rounds=rounds)
    print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    write_result("foal_net", {"device": device.type, "where": where(device), "batch": options.batch, **figures})


if __name__ == "__main__":
    main()

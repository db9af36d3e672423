"""The blocks and losses of Foal-Net against slow loops in float64."""

import math
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from merflow.models.foal_net import (
    OTHER,
    Alignment,
    Features,
    Fusion,
    Projection,
    Source,
    alignment_loss,
    hard_negatives,
    matching_loss,
)
from tests.models.slow import assert_near, sequences
from tests.models.slow_foal_net import (
    DRAWN,
    FULL,
    WIDTHS,
    features_of,
    pairs_of,
    slow_alignment,
    slow_fusion,
    slow_matching,
    slow_projection,
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


def similarities_of(align: Alignment, features: Features) -> dict[Source, Tensor]:
    points = align(features)
    return align.similarities(points, points)


@pytest.mark.parametrize("lengths", [[5, 1, 3], [1], [0, 2]])
def test_projection(lengths: list[int]) -> None:
    block = Projection(FULL, width=7).double()
    values, present = sequences(lengths, 7)
    actual = block(values, present)
    for position, length in enumerate(lengths):
        assert_near(actual[position], slow_projection(block, values[position, :length]))


@pytest.mark.parametrize(("temperature", "factor"), [("multiplies", 1 / 0.07), ("divides", 1 / math.log(1 / 0.07))])
def test_similarity(temperature: str, factor: float) -> None:
    align = Alignment(replace(FULL, temperature=temperature), widths=WIDTHS).double()  # type: ignore[arg-type]
    lengths: dict[Source, list[int]] = {"speech": [4, 1, 2], "video": [2, 5, 1]}
    features = features_of(lengths)
    actual = similarities_of(align, features)
    points = {
        source: [
            slow_projection(cast(Projection, align.project[source]), steps[:length]).tolist()
            for steps, length in zip(features.values[source], lengths[source], strict=True)
        ]
        for source in OTHER
    }
    for source, other in OTHER.items():
        for i, point in enumerate(points[source]):
            for j, partner in enumerate(points[other]):
                cosine = sum(map(math.prod, zip(point, partner, strict=True))) / (
                    math.hypot(*point) * math.hypot(*partner)
                )
                assert actual[source][i, j].item() == pytest.approx(factor * cosine, abs=1e-6)


def test_a_temperature_beyond_a_hundred_is_a_hundred() -> None:
    align = Alignment(FULL, widths=WIDTHS).double()
    features = features_of({"speech": [2, 3], "video": [1, 2]})
    nn.init.constant_(align.temperature, 9.0)
    beyond = similarities_of(align, features)["speech"]
    nn.init.constant_(align.temperature, math.log(100))
    assert_near(beyond, similarities_of(align, features)["speech"])


@pytest.mark.parametrize("emotions", DRAWN)
def test_alignment_loss(emotions: list[int]) -> None:
    speech, video = torch.randn(2, len(emotions), len(emotions), dtype=torch.float64)
    actual = alignment_loss({"speech": speech, "video": video}, pairs_of(emotions))
    assert actual.item() == pytest.approx(slow_alignment([speech, video], emotions), abs=1e-6)


@pytest.mark.parametrize("emotions", DRAWN)
def test_the_hardest_negative(emotions: list[int]) -> None:
    similarity = torch.randn(len(emotions), len(emotions), dtype=torch.float64)
    actual = hard_negatives(similarity, pairs_of(emotions).other, sample=False)
    for i, emotion in enumerate(emotions):
        others = [j for j in range(len(emotions)) if emotions[j] != emotion]
        if others:
            assert actual[i] == max(others, key=lambda j: similarity[i, j].item())


def test_a_sampled_negative_follows_the_softmax() -> None:
    row = torch.tensor([2.0, 0.5, -1.0, 1.0])
    may = torch.tensor([False, True, True, True])
    actual = hard_negatives(row.expand(20_000, -1), may.expand(20_000, -1), sample=True)
    shares = actual.bincount(minlength=4) / len(actual)
    torch.testing.assert_close(shares, row.masked_fill(~may, -math.inf).softmax(dim=0), atol=0.015, rtol=0)


@pytest.mark.parametrize("heads", [4, 5])
@pytest.mark.parametrize("negatives", [None, [2, 0, 1], [1, 1, 0]])
def test_fusion(negatives: list[int] | None, heads: int) -> None:
    lengths: dict[Source, list[int]] = {"speech": [3, 1, 4], "video": [2, 5, 1]}
    features = features_of(lengths)
    fusion = Fusion(replace(FULL, heads=heads), widths=WIDTHS, target="speech").double()
    paired = fusion.keys_and_values(*features.of("video"))
    chosen = paired if negatives is None else paired.chosen(torch.tensor(negatives))
    first_query = fusion.first_query(features.values["speech"])
    actual = fusion(*features.of("speech"), first_query=first_query, source=chosen)
    for position, source in enumerate(negatives or range(3)):
        target = features.values["speech"][position, : lengths["speech"][position]]
        expected = slow_fusion(fusion, target, features.values["video"][source, : lengths["video"][source]])
        assert_near(actual[position], expected)


@pytest.mark.parametrize("emotions", DRAWN)
def test_matching_loss(emotions: list[int]) -> None:
    positive = [torch.randn(len(emotions), 2, dtype=torch.float64, requires_grad=True) for _ in OTHER]
    negative = [torch.randn(len(emotions), 2, dtype=torch.float64, requires_grad=True) for _ in OTHER]
    actual = matching_loss(positive, negative, pairs_of(emotions))
    assert actual.item() == pytest.approx(slow_matching(positive, negative, emotions), abs=1e-6)
    actual.backward()  # type: ignore[no-untyped-call]
    assert all(bool(logits.grad.isfinite().all()) for logits in [*positive, *negative] if logits.grad is not None)

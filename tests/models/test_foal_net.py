"""Foal-Net's equations against slow loops in float64."""

import math
from dataclasses import replace
from typing import Any, Literal, cast

import pytest
import torch
from torch import Tensor, nn

from benchmarks.foal_net import Straightforward
from merflow.contracts.batch import Batch, Output
from merflow.contracts.streams import Role, StreamShape
from merflow.models.foal_net import (
    OTHER,
    Alignment,
    CrossAttention,
    Features,
    FoalNet,
    FoalNetConfig,
    Fusion,
    Interaction,
    Pairs,
    Projection,
    Source,
    alignment_loss,
    hard_negatives,
    matching_loss,
)
from merflow.models.layers import inspect
from tests.models.batches import EMOTIONS, pick, random_batch
from tests.models.slow import assert_near, sequences

WIDTHS: dict[Source, int] = {"speech": 12, "video": 8}
SHAPES: dict[Role, StreamShape] = {source: StreamShape(None, width) for source, width in WIDTHS.items()}
FULL = FoalNetConfig(modalities=("speech", "video"), avel=True, mem=True, projection=6, dropout=0, projection_dropout=0)

# Emotions of a batch; in some of them one emotion, or one utterance, is all there is.
DRAWN = [[0, 1, 0, 2, 3, 1], [2, 2, 2], [1, 0], [3]]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


def features_of(lengths: dict[Source, list[int]]) -> Features:
    drawn = {source: sequences(steps, WIDTHS[source]) for source, steps in lengths.items()}
    values, present = ({source: each[part] for source, each in drawn.items()} for part in (0, 1))
    return Features(values, present)


def batch_of(lengths: dict[Source, list[int]], emotions: list[int]) -> Batch:
    features = features_of(lengths)
    values: dict[Role, Tensor] = {source: features.values[source] for source in lengths}
    present: dict[Role, Tensor] = {source: features.present[source] for source in lengths}
    return Batch(values, present, torch.tensor(emotions), tuple(map(str, range(len(emotions)))))


def run(model: nn.Module, batch: Batch) -> Output:
    output: Output = model(batch)
    return output


def pairs_of(emotions: list[int]) -> Pairs:
    labels, complete = torch.tensor(emotions), torch.ones(len(emotions), dtype=torch.bool)
    return Pairs.of(labels, complete, all_labels=labels, all_complete=complete)


def similarities_of(align: Alignment, features: Features) -> dict[Source, Tensor]:
    points = align(features)
    return align.similarities(points, points)


def slow_norm(norm: nn.LayerNorm, row: Tensor) -> Tensor:
    deviation = torch.sqrt(row.var(unbiased=False) + norm.eps)
    return (row - row.mean()) / deviation * norm.weight + norm.bias


def slow_projection(block: Projection, steps: Tensor) -> Tensor:
    """Compute Eq. 1 of one utterance ``(T, D)``."""
    mean = sum(steps, torch.zeros(steps.shape[1], dtype=steps.dtype)) / max(1, len(steps))
    first = block.first.weight @ mean
    activated = torch.stack([0.5 * value * (1 + torch.erf(value / math.sqrt(2))) for value in first])
    return slow_norm(block.norm, first + block.second.weight @ activated)


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


def slow_alignment(similarities: list[Tensor], emotions: list[int]) -> float:
    """Compute Eq. 3."""
    total = 0.0
    for similarity in similarities:
        for i in range(len(emotions)):
            scores = [math.exp(value.item()) for value in similarity[i]]
            for j in range(len(emotions)):
                if emotions[i] == emotions[j]:
                    total += math.log(scores[j] / sum(scores))
    return -0.5 * total / len(emotions)


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


def slow_fusion(fusion: Fusion, target: Tensor, source: Tensor) -> Tensor:
    """Compute Eq. 11-16 and the mean over time for one utterance: ``(T, D)`` attends to ``(S, E)``."""
    fused = target
    for layer in cast(list[CrossAttention], fusion.layers):
        size = layer.query.out_features // layer.heads
        heads = []
        for head in range(layer.heads):
            rows = slice(head * size, (head + 1) * size)
            query = fused @ layer.query.weight[rows].T + layer.query.bias[rows]  # Eq. 14
            key = source @ layer.key.weight[rows].T  # Eq. 15
            value = source @ layer.value.weight[rows].T + layer.value.bias[rows]  # Eq. 16
            attended = torch.zeros(len(target), size, dtype=target.dtype)
            for t in range(len(target)):
                scores = [math.exp((query[t] @ key[s]).item() / math.sqrt(size)) for s in range(len(source))]
                for s in range(len(source)):
                    attended[t] += scores[s] / sum(scores) * value[s]  # Eq. 13
            heads.append(attended)
        merged = torch.cat(heads, dim=1) @ layer.merge.weight.T + layer.merge.bias  # Eq. 12
        fused = torch.stack([slow_norm(layer.norm, row) for row in fused + merged])  # Eq. 11
    return fused.mean(dim=0)


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


def slow_matching(positive: list[Tensor], negative: list[Tensor], emotions: list[int]) -> float:
    """Compute Eq. 9 over the rows that have a negative."""
    rows = [i for i in range(len(emotions)) if any(other != emotions[i] for other in emotions)]
    if not rows:
        return 0.0
    total = 0.0
    for same, other in zip(positive, negative, strict=True):
        errors = []
        for row, label in [(same[i], 1) for i in rows] + [(other[i], 0) for i in rows]:
            logits = row.tolist()
            errors.append(-math.log(math.exp(logits[label]) / (math.exp(logits[0]) + math.exp(logits[1]))))
        total += sum(errors) / len(errors)
    return 0.5 * total


@pytest.mark.parametrize("emotions", DRAWN)
def test_matching_loss(emotions: list[int]) -> None:
    positive = [torch.randn(len(emotions), 2, dtype=torch.float64, requires_grad=True) for _ in OTHER]
    negative = [torch.randn(len(emotions), 2, dtype=torch.float64, requires_grad=True) for _ in OTHER]
    actual = matching_loss(positive, negative, pairs_of(emotions))
    assert actual.item() == pytest.approx(slow_matching(positive, negative, emotions), abs=1e-6)
    actual.backward()  # type: ignore[no-untyped-call]
    assert all(bool(logits.grad.isfinite().all()) for logits in [*positive, *negative] if logits.grad is not None)


@pytest.mark.parametrize("emotions", [emotions for emotions in DRAWN if len(set(emotions)) > 1])
def test_one_pass_for_three(emotions: list[int]) -> None:
    """Sharing products gives the loss and the gradients of an implementation that shares nothing."""
    model = FoalNet(FULL, shapes=SHAPES, task=EMOTIONS).double()
    straightforward = Straightforward(model).double()
    steps = torch.randint(1, 6, (2, len(emotions))).tolist()
    batch = batch_of({"speech": steps[0], "video": steps[1]}, emotions)
    output = run(model, batch)
    expected = straightforward(batch)
    assert_near(output.loss, expected)
    output.loss.backward()  # type: ignore[no-untyped-call]
    expected.backward()
    interaction = cast(Interaction, model.embed)
    actual, plain = dict(interaction.fuse.named_parameters()), dict(straightforward.fusion.named_parameters())
    for name, theirs in plain.items():
        target, number, *rest = name.split(".")
        ours = {"attention.k_proj_weight": "key.weight", "attention.v_proj_weight": "value.weight"}
        ours |= {"attention.q_proj_weight": "query.weight", "attention.out_proj.weight": "merge.weight"}
        ours |= {"attention.out_proj.bias": "merge.bias", "norm.weight": "norm.weight", "norm.bias": "norm.bias"}
        expected_grad = theirs.grad
        assert expected_grad is not None
        if rest != ["attention", "in_proj_bias"]:
            grad = actual[f"{target}.layers.{number}.{ours['.'.join(rest)]}"].grad
        else:
            biases = (actual[f"{target}.layers.{number}.{part}.bias"].grad for part in ("query", "value"))
            query, value = (bias for bias in biases if bias is not None)
            grad = torch.cat([query, torch.zeros_like(query), value])
        assert grad is not None
        assert_near(grad, expected_grad)


def test_who_lacks_a_modality_takes_no_part_in_the_tasks() -> None:
    model = FoalNet(FULL, shapes=SHAPES, task=EMOTIONS).double()
    batch = batch_of({"speech": [3, 0, 2, 4, 0], "video": [2, 3, 4, 0, 0]}, [0, 1, 2, 3, 0])
    whole, others = run(model, batch), run(model, pick(batch, [0, 2], streams=FULL.streams()))
    for task in ("avel", "mem"):
        assert_near(whole.losses[task].value, others.losses[task].value)
    nobody = run(model, pick(batch, [1, 3], streams=FULL.streams()))
    assert [nobody.losses[task].value.item() for task in ("avel", "mem")] == [0, 0]


def test_a_single_emotion_has_no_matching_loss() -> None:
    model = FoalNet(FULL, shapes=SHAPES, task=EMOTIONS).double()
    output = run(model, batch_of({"speech": [3, 2], "video": [1, 2]}, [1, 1]))
    assert output.losses["mem"].value.item() == 0
    output.loss.backward()  # type: ignore[no-untyped-call]
    assert all(bool(value.grad.isfinite().all()) for value in model.parameters() if value.grad is not None)


def test_as_released_a_single_emotion_trains_matching_on_any_pairs_labelled_as_different() -> None:
    paired = replace(FULL, without_negatives="paired", negatives="sampled")
    model = FoalNet(paired, shapes=SHAPES, task=EMOTIONS).double().train()
    batch = batch_of({"speech": [3, 2, 4, 1], "video": [1, 2, 3, 2]}, [1, 1, 1, 1])
    assert run(model, batch).losses["mem"].value.item() > 0
    pairs = pairs_of([1, 1, 1, 1]).all_paired()
    assert bool(pairs.other.all())
    drawn = [hard_negatives(torch.zeros(4, 4), pairs.other, sample=True) for _ in range(400)]
    counts = torch.bincount(torch.cat(drawn), minlength=4)
    assert bool((counts > 320).all()), "every utterance is as likely, the utterance itself included"
    mixed = pairs_of([0, 1, 1, 2])
    assert torch.equal(mixed.all_paired().other, mixed.other), "nothing changes where there are negatives"


def test_as_released_the_gathered_utterances_learn_nothing() -> None:
    """Eq. 2 reaches an utterance's points through its own rows alone."""
    batch = batch_of({"speech": [3, 2, 4, 1], "video": [1, 2, 3, 2]}, [0, 1, 1, 2])
    gradients: dict[str, Tensor] = {}
    kinds: tuple[Literal["with-gradient", "without-gradient"], ...] = ("with-gradient", "without-gradient")
    for gathered in kinds:
        torch.manual_seed(0)
        config = replace(FULL, gathered=gathered)
        model = FoalNet(config, shapes=SHAPES, task=EMOTIONS).double().eval()
        speech = batch.features["speech"].clone().requires_grad_()
        output = run(model, replace(batch, features=batch.features | {"speech": speech}))
        gradients[gathered] = torch.autograd.grad(output.losses["mem"].value, speech, retain_graph=True)[0]
        layer: Any = cast(Fusion, cast(Interaction, model.embed).fuse["video"]).layers[0]
        key = cast(Tensor, layer.key.weight)
        assert torch.autograd.grad(output.losses["mem"].value, key)[0].abs().sum() > 0, (
            "the projections learn either way"
        )
    assert not torch.equal(gradients["with-gradient"], gradients["without-gradient"])


def test_raw_waveforms_have_an_encoder_of_their_own() -> None:
    assert [stream.encoder for stream in FULL.streams()] == ["wavlm-large", "clip-vit-large"]
    assert [stream.encoder for stream in replace(FULL, waveform="raw").streams()] == [
        "wavlm-large-raw",
        "clip-vit-large",
    ]


def test_negatives_are_drawn_in_training_alone() -> None:
    model = FoalNet(replace(FULL, negatives="sampled"), shapes=SHAPES, task=EMOTIONS).double()
    hardest = FoalNet(FULL, shapes=SHAPES, task=EMOTIONS).double()
    hardest.load_state_dict(model.state_dict())
    batch = batch_of({"speech": [3, 2, 4, 1], "video": [2, 2, 1, 3]}, [0, 1, 2, 3])
    drawn = {run(model.train(), batch).losses["mem"].value.item() for _ in range(20)}
    assert len(drawn) > 1
    assert run(model.eval(), batch).losses["mem"].value == run(hardest, batch).losses["mem"].value


def test_on_given_features_alignment_alone_teaches_the_classifier_nothing() -> None:
    gradients = []
    for avel in (False, True):
        torch.manual_seed(3)
        config = replace(FULL, avel=avel, mem=False)
        model = FoalNet(config, shapes=SHAPES, task=EMOTIONS)
        interaction = cast(Interaction, model.embed)
        for module in (interaction.fuse, model.classify):
            for value in module.parameters():
                nn.init.normal_(value, generator=torch.Generator().manual_seed(value.numel()))
        batch = random_batch(config.streams(), [4, 2, 3], seed=1)
        batch.features["video"] = batch.features["video"][..., : WIDTHS["video"]]
        run(model, batch).loss.backward()  # type: ignore[no-untyped-call]
        gradients.append([value.grad for value in (*interaction.fuse.parameters(), *model.classify.parameters())])
    for without, with_avel in zip(*gradients, strict=True):
        assert without is not None
        assert with_avel is not None
        assert torch.equal(without, with_avel)


def test_embeddings_and_what_can_be_inspected() -> None:
    model = FoalNet(FULL, shapes=SHAPES, task=EMOTIONS).double()
    batch = batch_of({"speech": [3, 2], "video": [1, 2]}, [1, 0])
    output = run(model, batch)
    assert output.embedding.shape == (2, 20)
    torch.testing.assert_close(model.classify(output.embedding), output.logits)
    assert {name: entry.axes for name, entry in inspect(model, batch).items()} == {
        f"embed.fuse.{target}.layers.{number}.attend": ("head", target, source)
        for target, source in OTHER.items()
        for number in range(2)
    }


@pytest.mark.parametrize("source", OTHER)
def test_a_single_modality_is_its_projected_mean(source: Source) -> None:
    config = FoalNetConfig(modalities=(source,), projection=6)
    model = FoalNet(config, shapes=SHAPES, task=EMOTIONS).double().eval()
    batch = batch_of({source: [3, 1]}, [1, 0])
    expected = slow_projection(cast(Projection, model.embed), batch.features[source][0, :3])
    assert_near(run(model, batch).embedding[0], expected)
    assert list(run(model, batch).losses) == ["ce"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modalities": ()}, "at least one"),
        ({"modalities": ("video", "video")}, "none twice"),
        ({"modalities": ("video",)}, "video alone has nothing to align"),
    ],
)
def test_switches_that_do_not_fit(changes: dict[str, tuple[Source, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FULL, **changes)  # type: ignore[arg-type]

"""Foal-Net as a whole: its auxiliary tasks, its switches, and what it refuses."""

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
    FoalNet,
    FoalNetConfig,
    Fusion,
    Interaction,
    Projection,
    Source,
    hard_negatives,
)
from merflow.models.layers import inspect
from tests.models.batches import EMOTIONS, pick, random_batch
from tests.models.slow import assert_near
from tests.models.slow_foal_net import DRAWN, FULL, WIDTHS, features_of, pairs_of, slow_projection

SHAPES: dict[Role, StreamShape] = {source: StreamShape(None, width) for source, width in WIDTHS.items()}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


def batch_of(lengths: dict[Source, list[int]], emotions: list[int]) -> Batch:
    features = features_of(lengths)
    values: dict[Role, Tensor] = {source: features.values[source] for source in lengths}
    present: dict[Role, Tensor] = {source: features.present[source] for source in lengths}
    return Batch(values, present, torch.tensor(emotions), tuple(map(str, range(len(emotions)))))


def run(model: nn.Module, batch: Batch) -> Output:
    output: Output = model(batch)
    return output


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

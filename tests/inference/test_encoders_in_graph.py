"""Encoders in the graph compared with those of extraction, and their gradients."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from merflow.contracts.batch import Batch, RawBatch, RawStream
from merflow.contracts.presets import EncoderSpec, spec_of
from merflow.contracts.streams import EncoderPart, Role, Stream
from merflow.errors import FeatureError
from merflow.features.batches.standardize import Standardizer
from merflow.features.batches.units import Unit, slices_of, units_of
from merflow.features.encoders.builders import build_encoder, build_preparer
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.networks import PARTS, build_network
from merflow.inference import encoders_in_graph
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.presets.profiles import shipped_profile
from tests.features.encoders.huggingface.drawn_media import films, recordings

RELATIVE = 1e-4


AUDIO = recordings(16_001, 32_000, 400, 24_000, 32_000)
TEXT = ["I am so happy for you!", "Okay.", "nobody will take my luggage, do you know?", "Well, that is wonderful"]
FAMILIES: list[tuple[str, str, str | None, list[Any]]] = [
    ("wavlm", "wavlm-large", "all", AUDIO),
    ("wavlm", "wavlm-base", "transformer", AUDIO),
    ("wavlm", "wavlm-base", "last", AUDIO),
    ("bert", "bert-base-uncased", "all", TEXT),
    ("roberta", "roberta-base", "last", TEXT),
    ("whisper-encoder", "whisper-small.en", "last", recordings(16_000, 500_000)),
    ("clip-image", "clip-vit-large-patch14", None, films(3, 1)),
]
ROLES: dict[str, Role] = {"bert": "text_layers", "roberta": "text_layers", "clip-image": "video"}


def spec_in(folder: Path, name: str, layers: str | None) -> EncoderSpec:
    settings: dict[str, Any] = {"model": str(folder), "dtype": "float32"}
    settings |= {} if layers is None else {"layers": layers}
    return EncoderSpec(name=name, settings=settings)


def raw_stream(spec: EncoderSpec, stream: Stream, sources: Sequence[Any], *, micro_batch: int | None) -> RawStream:
    """Return a stream with one entry per input."""
    config = config_of(Path(str(spec.settings["model"])))
    preparer = build_preparer(spec, stream)
    entries = [units_of(preparer.prepare(source), encoder=spec.name, config=config) for source in sources]
    most = None if micro_batch is None else micro_batch * max(unit.cost for own in entries for unit in own)
    return RawStream(*slices_of(entries, most=most, fill=config.get("pad_token_id") or 0), members=None)


def neutral(role: Role, shape: tuple[int, ...]) -> Standardizer:
    return Standardizer({role: np.zeros(shape, np.float32)}, {role: np.ones(shape, np.float32)})


def in_graph(
    spec: EncoderSpec, stream: Stream, part: EncoderPart, *, mode: Literal["training", "evaluation"] = "training"
) -> EncodersInGraph:
    shape = build_network(spec).shape
    entry = (shape.width,) if shape.layers is None else (shape.layers, shape.width)
    return EncodersInGraph(
        (stream,),
        profile={stream.role: spec},
        learning={stream.role: part},
        standardizer=neutral(stream.role, entry),
        mode=mode,
    )


def encoded(encoders: EncodersInGraph, role: Role, stream: RawStream) -> tuple[Tensor, Tensor]:
    ids = tuple(str(row) for row in range(len(stream.positions)))
    batch = encoders(RawBatch({role: stream}, Batch({}, {}, None, ids)))
    return batch.features[role], batch.present[role]


@pytest.mark.parametrize("micro_batch", [None, 2])
@pytest.mark.parametrize(("name", "model", "layers", "sources"), FAMILIES)
def test_frozen_weights_in_the_graph_give_what_extraction_gives(
    encoders: Path, name: str, model: str, layers: str | None, sources: list[Any], micro_batch: int | None
) -> None:
    stream = Stream(ROLES.get(name, "speech_layers"))
    spec = spec_in(encoders / model, name, layers)
    made = build_encoder(spec, stream, device="cpu")
    expected = made.encode([made.prepare(source) for source in sources])
    graph = in_graph(spec, stream, "everything")
    assert build_network(spec).shape == made.shape
    with torch.no_grad():
        values, present = encoded(graph, stream.role, raw_stream(spec, stream, sources, micro_batch=micro_batch))
    assert present.sum(dim=1).tolist() == [len(array) for array in expected]
    for row, array in enumerate(expected):
        found = values[row, : len(array)].numpy()
        assert np.abs(found - array).max() <= RELATIVE * np.abs(array).max()
        assert not values[row, len(array) :].any()


def _parts() -> list[tuple[str, str, str | None, list[Any], EncoderPart]]:
    """Return every part of every encoder; BERT stands for RoBERTa."""
    families = [family for family in FAMILIES if family[0] != "roberta"]
    return [(*family, part) for family in families for part in (*PARTS[family[0]], "everything")]


@pytest.mark.parametrize(("name", "model", "layers", "sources", "part"), _parts())
def test_gradients_reach_every_parameter_of_the_part_and_no_other(
    encoders: Path, name: str, model: str, layers: str | None, sources: list[Any], part: EncoderPart
) -> None:
    stream = Stream(ROLES.get(name, "speech_layers"))
    spec = spec_in(encoders / model, name, layers)
    graph = in_graph(spec, stream, part)
    values, _ = encoded(graph, stream.role, raw_stream(spec, stream, sources[:2], micro_batch=1))
    torch.autograd.backward(values.square().mean())
    prefixes = tuple(f"networks.{stream.role}.weights.{prefix}" for prefix in PARTS[name].get(part, ("",)))
    for parameter_name, parameter in graph.named_parameters():
        if parameter_name in graph.learning:
            assert parameter_name.startswith(prefixes)
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
        else:
            assert parameter.grad is None, parameter_name
            assert part != "everything" or parameter_name.endswith(("masked_spec_embed", "embed_positions.weight"))
    assert graph.learning


@pytest.mark.parametrize(
    ("name", "model", "sources"), [("wavlm", "wavlm-base", AUDIO), ("bert", "bert-base-uncased", TEXT)]
)
def test_encoders_that_learn_are_in_training_mode_unless_the_recipe_says_otherwise(
    encoders: Path, name: str, model: str, sources: list[Any]
) -> None:
    stream, spec = (
        Stream("speech_layers" if name == "wavlm" else "text_layers"),
        spec_in(encoders / model, name, "last"),
    )
    raw = raw_stream(spec, stream, sources, micro_batch=None)

    def passes(graph: EncodersInGraph) -> list[Tensor]:
        torch.manual_seed(0)
        return [encoded(graph, stream.role, raw)[0] for _ in range(2)]

    graph = in_graph(spec, stream, "transformer")
    assert torch.equal(*passes(graph))
    first, second = passes(graph.train())
    assert not torch.equal(first, second), "dropout draws anew"
    assert all(map(torch.equal, passes(graph), (first, second))), "and follows from torch's seed"
    assert torch.equal(*passes(graph.eval()))
    calm = in_graph(spec, stream, "transformer", mode="evaluation").train()
    assert torch.equal(*passes(calm))


@pytest.mark.parametrize(("model", "layers"), [("wavlm-large", "last"), ("wavlm-base", "all")])
def test_a_slice_is_dropped_and_masked_alike_when_it_is_computed_again(
    encoders: Path, model: str, layers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, spec = Stream("speech_layers"), spec_in(encoders / model, "wavlm", layers)
    gradients = []
    for recomputed in (True, False):
        if not recomputed:
            monkeypatch.setattr(encoders_in_graph, "checkpoint", lambda call, *args, **_: call(*args))
        graph = in_graph(spec, stream, "everything").train()
        torch.manual_seed(1)
        values, _ = encoded(graph, stream.role, raw_stream(spec, stream, AUDIO, micro_batch=2))
        torch.autograd.backward(values.square().mean())
        gradients.append({key: value.grad for key, value in graph.learning.items()})
    assert gradients[0].keys() == gradients[1].keys()
    for key, expected in gradients[1].items():
        found = gradients[0][key]
        assert (found is None) == (expected is None), f"{key}: a dropped layer has no gradient, in both or in none"
        if found is not None and expected is not None:
            assert torch.equal(found, expected), key


def test_recordings_shorter_than_a_masked_span_are_not_masked(encoders: Path) -> None:
    stream, spec = Stream("speech"), spec_in(encoders / "wavlm-large", "wavlm", "last")
    graph = in_graph(spec, stream, "transformer").train()
    values, present = encoded(graph, "speech", raw_stream(spec, stream, recordings(400, 2_000), micro_batch=None))
    assert present.sum(dim=1).tolist() == [1, 6]
    assert values.isfinite().all()


def test_frozen_convolutions_ask_for_no_gradient_of_the_samples(encoders: Path) -> None:
    stream, spec = Stream("speech"), spec_in(encoders / "wavlm-large", "wavlm", "last")
    raw = raw_stream(spec, stream, AUDIO[:1], micro_batch=None)
    encoded(in_graph(spec, stream, "transformer").train(), "speech", raw)
    assert not raw.slices[0].values.requires_grad


@pytest.mark.parametrize(
    ("name", "model", "sources"), [("wavlm", "wavlm-base", AUDIO), ("bert", "bert-base-uncased", TEXT)]
)
def test_slices_give_the_gradients_of_the_whole_batch(
    encoders: Path, name: str, model: str, sources: list[Any]
) -> None:
    """Compare gradients for a loss that compares every utterance with every other, as a contrastive loss does."""
    stream = Stream(ROLES.get(name, "speech_layers"))
    spec = spec_in(encoders / model, name, "all")
    gradients = []
    for micro_batch in (None, 1, 2, 3):
        graph = in_graph(spec, stream, "everything")
        values, present = encoded(graph, stream.role, raw_stream(spec, stream, sources, micro_batch=micro_batch))
        pooled = values.sum(dim=(1, 2)) / present.sum(dim=1, keepdim=True)
        likeness = pooled @ pooled.T / 10
        loss = torch.nn.functional.cross_entropy(likeness, torch.arange(len(pooled)).roll(1))
        torch.autograd.backward(loss)
        gradients.append({key: value.grad for key, value in graph.learning.items()})
    whole, *sliced = gradients
    largest = max(float(value.abs().max()) for value in whole.values() if value is not None)
    assert largest > 1e-3
    for found in sliced:
        for key, expected in whole.items():
            assert expected is not None
            torch.testing.assert_close(found[key], expected, rtol=1e-3, atol=1e-5 * largest)


def test_half_precision_reaches_the_slices_and_their_second_pass(encoders: Path) -> None:
    """Autocast around the model also covers its encoders; the gradients point in the direction of those in float32."""
    stream, spec = Stream("speech_layers"), spec_in(encoders / "wavlm-base", "wavlm", "all")

    def gradients(half: torch.dtype | None, *, micro_batch: int | None = 2) -> torch.Tensor:
        graph = in_graph(spec, stream, "everything")
        with torch.autocast("cpu", dtype=half, enabled=half is not None):
            values, _ = encoded(graph, stream.role, raw_stream(spec, stream, AUDIO, micro_batch=micro_batch))
        assert values.dtype == torch.float32
        torch.autograd.backward(values.square().mean())
        return torch.cat([parameter.grad.flatten() for parameter in graph.learning.values()])  # type: ignore[union-attr]

    exact = gradients(None)
    # How far bfloat16 is from float32 depends on the processor; float16, which is more exact, is near it on all.
    for half, reference in ((torch.float16, exact), (torch.bfloat16, gradients(torch.bfloat16, micro_batch=None))):
        sliced = gradients(half)
        assert not torch.equal(sliced, exact)
        assert torch.nn.functional.cosine_similarity(sliced, reference, dim=0) > 0.99


def test_slices_bound_what_is_kept_for_the_way_back(encoders: Path) -> None:
    stream, spec = Stream("speech_layers"), spec_in(encoders / "wavlm-large", "wavlm", "all")
    kept = []
    for micro_batch in (None, 2):
        graph, bytes_kept = in_graph(spec, stream, "everything"), 0

        def keep(tensor: Tensor) -> Tensor:
            nonlocal bytes_kept
            bytes_kept += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            encoded(graph, stream.role, raw_stream(spec, stream, recordings(*[16_000] * 4), micro_batch=micro_batch))
        kept.append(bytes_kept)
    assert kept[1] < kept[0] / 20


def test_slices_are_of_similar_length_and_bounded() -> None:
    entries = [[Unit(np.zeros(steps, np.int64), steps)] for steps in (3, 40, 5, 4, 38, 3)]
    slices, places = slices_of(entries, most=80, fill=0)
    assert [tuple(part.values.shape) for part in slices] == [(2, 40), (4, 5)]
    assert [part.lengths.tolist() for part in slices] == [[40, 38], [5, 4, 3, 3]]
    assert places[2].tolist() == [*range(80, 85), *[100] * 35]
    (alone, *_), _ = slices_of(entries, most=10, fill=0)
    assert len(alone.values) == 1
    windows = [[Unit(np.zeros((80, 30), np.float32), steps) for steps in (15, 4)]]
    assert [len(part.values) for part in slices_of(windows, most=1, fill=0)[0]] == [1, 1]


def test_a_part_that_the_encoder_lacks_is_named(encoders: Path) -> None:
    spec = spec_in(encoders / "bert-base-uncased", "bert", "all")
    with pytest.raises(FeatureError, match="'bert' has no part 'convolutions'"):
        in_graph(spec, Stream("text_layers"), "convolutions")


def test_an_encoder_without_weights_cannot_be_fine_tuned() -> None:
    with pytest.raises(FeatureError, match="'lite-speech' has no weights"):
        build_network(EncoderSpec(name="lite-speech", settings={"mel_bands": 12, "window_s": 0.4}))


def test_every_preset_fine_tunes_parts_that_the_papers_encoders_have() -> None:
    """Only the last stage may fine-tune encoders: an earlier one's changes to them would be lost."""
    paper, seen = shipped_profile("paper").roles, 0
    for preset in catalogue.presets().values():
        assert all(policy == "frozen" for policy in preset.stages[:-1]), preset.variant
        last = preset.recipes[-1]
        if last.policy == "frozen":
            continue
        read = [
            stream for stream in MODELS[preset.model].configure(preset.config).streams() if stream.role in last.encoders
        ]
        assert read, f"{preset.variant} fine-tunes none of the encoders that it reads"
        for stream in read:
            part, encoder = last.encoders[stream.role], spec_of(stream, paper).name
            assert part == "everything" or part in PARTS[encoder], preset.variant
        seen += 1
    assert seen >= 9

"""What one trained fold looks at: maps of single utterances, what its gates and layer weights are, its embeddings."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from merflow.contracts.errors import EvaluationError, OutputError
from merflow.contracts.files import output_errors, replacing, replacing_folder, write_json
from merflow.contracts.params import TrainingParams, parse
from merflow.contracts.presets import OwnPresets
from merflow.contracts.streams import MODALITY_OF, Stream
from merflow.corpus.splits import ids
from merflow.evaluation.explanations import Scale, Shown, embedding_figure, utterance_figure, weights_figure
from merflow.features.dataset import FeatureDataset
from merflow.features.standardize import Standardizer
from merflow.jobs import folds
from merflow.jobs.fold_inputs import FoldInputs
from merflow.jobs.progress import Progress, plain_lines, say
from merflow.jobs.variants import Item
from merflow.models.folder import load_model
from merflow.training.devices import device_of
from merflow.training.encoded import EncodedSource, has_encoders, load_encoded
from merflow.training.inspection import averages, embed, look
from merflow.training.prediction import predict

_LISTING = "explain.json"
_MOST_NEIGHBOURS = 30  # t-SNE's perplexity where there are enough utterances


@dataclass(frozen=True)
class Explanation:
    """A trained fold with its test utterances, ready to be looked at."""

    inputs: FoldInputs
    model: nn.Module
    test: FeatureDataset | EncodedSource
    rows: list[dict[str, Any]]

    @classmethod
    def open(
        cls,
        fold: Path,
        *,
        manifest: Path,
        splits: Path,
        features: Path,
        device: str,
        own: OwnPresets | None = None,
    ) -> "Explanation":
        """Reads the fold's folder and the data that it was trained on.

        Raises:
            EvaluationError: The folder is no whole fold, or was trained on other data than these.
            ModelError: Its model cannot be loaded.
        """
        facts = folds.read_facts(fold)
        params = parse(TrainingParams, facts["params"]["training"] | {"device": device}, where=str(fold / folds.FACTS))
        item = str(Item(facts["variant"], facts["fold"], facts["seed"]))
        inputs = FoldInputs.read(item, manifest=manifest, splits=splits, features=features, params=params, own=own)
        for what, given in (
            ("manifest_hash", inputs.manifest.hash),
            ("split_id", inputs.splits.split_id),
            ("encoder_keys", inputs.encoder_keys),
        ):
            if facts[what] != given:
                raise EvaluationError(
                    f"{fold} was trained with {what} {facts[what]}, the given files have {given}; explain it with the "
                    "manifest, splits and features that it was trained on"
                )
        model, test = _model_and_test(fold / folds.MODEL, inputs)
        by_id = inputs.manifest.rows.set_index("utterance_id", drop=False)
        rows = [by_id.loc[name].to_dict() for name in ids(inputs.splits, fold=inputs.fold, part="test")]
        return cls(inputs, model, test, rows)

    def chosen(self, utterances: Sequence[str], *, examples: int) -> list[int]:
        """Places of the named utterances, or of the first few of every emotion in turn.

        Raises:
            EvaluationError: An utterance is not in the fold's test part.
        """
        place_of = {row["utterance_id"]: place for place, row in enumerate(self.rows)}
        foreign = [name for name in utterances if name not in place_of]
        if foreign:
            raise EvaluationError(
                f"utterance {foreign[0]!r} is not in the test part of fold {self.inputs.fold} "
                f"({len(place_of)} utterances, the first {self.rows[0]['utterance_id']}); "
                "choose one of them, or explain the fold that tests it"
            )
        if utterances:
            return [place_of[name] for name in utterances]
        by_emotion = {
            emotion: [place for place, row in enumerate(self.rows) if row["emotion"] == emotion]
            for emotion in self.inputs.classes
        }
        turns = [places[turn] for turn in range(examples) for places in by_emotion.values() if turn < len(places)]
        return turns[:examples]


def explain(
    fold: Path,
    *,
    manifest: Path,
    splits: Path,
    features: Path,
    out: Path,
    utterances: Sequence[str] = (),
    examples: int = 4,
    device: str = "auto",
    own: OwnPresets | None = None,
    progress: Progress | None = None,
) -> Path:
    """Writes figures and arrays of a trained fold's test utterances.

    ``utterances/ID.png`` and ``.npz``: attention maps, gates and weights of some utterances. ``weights/``: what gates
    and layer weights are over all of them. ``embedding.png`` and ``.npz``: the vectors that feed the classifier and
    their t-SNE. ``explain.json`` lists what is there and is written last.

    Args:
        fold: Folder of a trained fold.
        manifest: The validated manifest that it was trained on.
        splits: Their splits.
        features: What ``jobs.extract`` wrote.
        out: Folder for all of it; an earlier explanation is replaced.
        utterances: Which to draw; some of every emotion where none is named.
        examples: How many to draw where none is named.
        device: ``auto``, ``cpu`` or ``cuda``.
        own: Presets of one's own (``presets.own``).
        progress: Told of every utterance.

    Raises:
        EvaluationError: The fold is not whole, was trained on other data, or does not test an utterance.
        FeatureError: The store lacks a feature.
        ModelError: The model cannot be loaded.
        OutputError: ``out`` cannot be written, or holds something else.
    """
    if out.exists() and not (out / _LISTING).is_file():
        raise OutputError(
            f"{out} is there and is no explanation ({_LISTING} is missing); name a folder that is not there"
        )
    opened = Explanation.open(fold, manifest=manifest, splits=splits, features=features, device=device, own=own)
    tell = progress or plain_lines()
    places = opened.chosen(utterances, examples=examples)
    batch_size = opened.inputs.preset.recipe.batch_size
    params = opened.inputs.params
    probabilities = predict(opened.model, opened.test, batch_size=batch_size, params=params)
    with replacing_folder(out) as part, output_errors(out):
        shown: dict[str, list[str]] = {}
        for done, place in enumerate(places, start=1):
            shown = _draw_utterance(opened, place, probabilities=probabilities[place], folder=part / "utterances")
            tell("explain utterances", done, len(places))
        weighed = _draw_weights(opened, folder=part / "weights", batch_size=batch_size)
        _draw_embedding(opened, folder=part, batch_size=batch_size)
        write_json(
            part / _LISTING,
            {
                "item": opened.inputs.item,
                "utterances": [opened.rows[place]["utterance_id"] for place in places],
                "shown": shown,
                "weights": weighed,
            },
        )
    say(f"explain {opened.inputs.item}: {len(places)} utterance(s), {len(weighed)} weight(s), embeddings; {out}")
    return out


def _draw_utterance(
    opened: Explanation, place: int, *, probabilities: np.ndarray, folder: Path
) -> dict[str, list[str]]:
    row = opened.rows[place]
    found = look(opened.model, opened.test, place, params=opened.inputs.params)
    readable = _readable(list(found))
    shown = {readable[name]: Shown(entry.values.numpy(), entry.axes) for name, entry in found.items()}
    streams = opened.inputs.config.streams()
    figure = utterance_figure(
        shown,
        scales={stream.role: _scale(stream, row, steps=_steps(shown, stream.role)) for stream in streams},
        title=row["utterance_id"],
        words=str(row["transcript"] or ""),
        probabilities=dict(zip(opened.inputs.classes, probabilities.tolist(), strict=True)),
        emotion=row["emotion"],
    )
    _save(figure, folder / f"{row['utterance_id']}.png")
    _save_arrays(folder / f"{row['utterance_id']}.npz", {name: entry.values for name, entry in shown.items()})
    return {name: list(entry.axes) for name, entry in shown.items()}


def _draw_weights(opened: Explanation, *, folder: Path, batch_size: int) -> list[str]:
    found = averages(opened.model, opened.test, batch_size=batch_size, params=opened.inputs.params)
    emotions = [row["emotion"] for row in opened.rows]
    readable = _readable(list(found))
    drawn = []
    for module, (values, axes) in found.items():
        name = readable[module]
        plain = values.reshape(len(values), -1)
        _save_arrays(folder / f"{name}.npz", {"values": values, "emotion": np.array(emotions)})
        kept = [axis for axis in axes if axis != "feature"]
        if len(kept) > 1:
            continue
        if not kept:  # a gate: one number an utterance
            plain = plain.mean(axis=1, keepdims=True)
        figure = weights_figure(
            plain,
            emotions=emotions,
            classes=opened.inputs.classes,
            title=f"{name}, {opened.inputs.item}",
            axis=kept[0] if kept else "mean over steps and features",
        )
        _save(figure, folder / f"{name}.png")
        drawn.append(name)
    return drawn


def _draw_embedding(opened: Explanation, *, folder: Path, batch_size: int) -> None:
    from sklearn.manifold import TSNE

    vectors = embed(opened.model, opened.test, batch_size=batch_size, params=opened.inputs.params)
    emotions = [row["emotion"] for row in opened.rows]
    if len(vectors) > 3:
        perplexity = min(_MOST_NEIGHBOURS, (len(vectors) - 1) / 3)
        points = TSNE(perplexity=perplexity, init="pca", random_state=opened.inputs.seed).fit_transform(vectors)
    else:
        points = np.zeros((len(vectors), 2), dtype=np.float32)
    _save_arrays(
        folder / "embedding.npz",
        {
            "utterance_id": np.array([row["utterance_id"] for row in opened.rows]),
            "emotion": np.array(emotions),
            "embedding": vectors,
            "tsne": points,
        },
    )
    figure = embedding_figure(
        points, emotions=emotions, classes=opened.inputs.classes, title=f"t-SNE of {opened.inputs.item}, test part"
    )
    _save(figure, folder / "embedding.png")


def _scale(stream: Stream, row: dict[str, Any], *, steps: int) -> Scale:
    """What the steps of a stream are: seconds of sound or picture, turns of the dialogue, or tokens."""
    if stream.neighbours:
        return Scale("turn (0: the utterance)", -stream.neighbours - 0.5, stream.neighbours + 0.5)
    if MODALITY_OF[stream.role] == "text":
        return Scale("token", 0, steps)
    duration_s = row["n_samples"] / row["rate_hz"] if row["n_samples"] and row["rate_hz"] else None
    if duration_s is None or stream.skip_silence:
        return Scale(f"{MODALITY_OF[stream.role]} step", 0, steps)
    heard_s = float(min(duration_s, stream.clip_s or duration_s))
    return Scale(f"{MODALITY_OF[stream.role]}, s", 0, heard_s)


def _steps(shown: dict[str, Shown], role: str) -> int:
    return next((entry.values.shape[entry.axes.index(role)] for entry in shown.values() if role in entry.axes), 0)


def _readable(modules: Sequence[str]) -> dict[str, str]:
    """Module -> its name without the parts that say nothing (``fusion.0.attention.attend``: ``fusion.0``)."""
    short = {module: re.sub(r"\.(attention|attend|show)(?=[.#]|$)", "", module) for module in modules}
    counts = Counter(short.values())
    return {module: name if counts[name] == 1 else module for module, name in short.items()}


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=130)


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _model_and_test(folder: Path, inputs: FoldInputs) -> tuple[nn.Module, FeatureDataset | EncodedSource]:
    """The model of a model folder, and the test utterances as its encoders give them."""
    standardizer = Standardizer.load(folder / folds.STANDARDIZER)
    if not has_encoders(folder):
        return load_model(folder)[0], inputs.dataset("test", standardizer=standardizer)
    learned = load_encoded(folder, standardizer=standardizer, profile=inputs.profile)
    encoders = learned.encoders.to(device_of(inputs.params))
    raw = inputs.raw_dataset("test", inputs.recipes[-1], standardizer=standardizer)
    return learned.model, EncodedSource(raw, encoders)

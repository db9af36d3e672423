"""A model that watches, hears and reads, behind HTTP: an uploaded film gets the answer that training stored for it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.fold_id import parse_fold_id
from merflow.contracts.params import Params
from merflow.corpus.manifest import read_manifest
from merflow.corpus.samples import RATE_HZ
from merflow.jobs.index import index
from merflow.opening.open_model import open_model
from merflow.runs.fold_folder import MODEL, read_predictions
from merflow.runs.workspace import Workspace
from tests.promotion.packaging.benchmarks import finish_benchmark
from tests.serving.http.running import Running, running

VARIANT = "gia-mic:full"
FRAMES_PER_S, HEIGHT, WIDTH = 25, 48, 64
CLOSE = 1e-5


def write_film(path: Path, sound: Path, *, seed: int) -> None:
    """Write an MP4 of moving noise with a recording as it is: its sound is compressed without loss."""
    samples, rate_hz = soundfile.read(sound, dtype="int16")
    assert rate_hz == RATE_HZ
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        film: Any = container.add_stream("mpeg4", rate=FRAMES_PER_S)
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        voice: Any = container.add_stream("alac", rate=RATE_HZ, layout="mono")
        for number in range(round(len(samples) / RATE_HZ * FRAMES_PER_S)):
            moved = np.ascontiguousarray(np.roll(picture, number * int(random.integers(1, 4)), axis=1))
            container.mux(film.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(film.encode(None))
        parts = av.AudioResampler(format="s16p", layout="mono", rate=RATE_HZ, frame_size=4096)
        whole = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        whole.sample_rate, whole.pts = RATE_HZ, 0
        for part in (*parts.resample(whole), *parts.resample(None), None):
            container.mux(voice.encode(part))


@pytest.fixture(scope="module")
def run(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished benchmark of a corpus whose utterances are films."""
    corpus, out = tmp_path_factory.mktemp("films"), tmp_path_factory.mktemp("run")
    index(tiny_release, corpus="synthetic", out=corpus / "spoken.parquet", params=params.corpus)
    spoken = read_manifest(corpus / "spoken.parquet")
    rows = spoken.rows[spoken.rows["emotion"].notna()].groupby("speaker").head(2)
    for seed, row in enumerate(rows.itertuples()):
        write_film(corpus / f"{row.utterance_id}.mp4", spoken.root / row.audio_path, seed=seed)
        (corpus / f"{row.utterance_id}.wav").write_bytes((spoken.root / row.audio_path).read_bytes())
    table = rows[["utterance_id", "speaker", "session", "gender", "emotion", "transcript"]]
    names = table["utterance_id"]
    table.assign(audio_path=names + ".wav", video_path=names + ".mp4").to_csv(corpus / "films.csv", index=False)
    few = params.model_copy(
        update={
            "splits": params.splits.model_copy(update={"development": "random", "random_share": 0.34}),
            "features": params.features.model_copy(update={"workers": 0}),
            "training": params.training.model_copy(update={"device": "cpu", "max_epochs": 1}),
        }
    )
    return finish_benchmark(corpus / "films.csv", out, corpus="table", variants=[VARIANT], params=few)


@pytest.fixture(scope="module")
def stored(run: Path) -> pd.DataFrame:
    """Return the test predictions that training stored, with film and words of each utterance."""
    manifest = read_manifest(run / "manifest.parquet")
    rows = manifest.rows.set_index("utterance_id")[["video_path", "transcript"]]
    predictions = read_predictions(_fold(run)).join(rows, on="utterance_id")
    assert len(predictions) >= 4
    return predictions.assign(film=[(manifest.root / path).read_bytes() for path in predictions["video_path"]])


@pytest.fixture(scope="module")
def cinema(run: Path) -> Iterator[Running]:
    """Run a server with the fold's model."""
    predictor = open_model(str(_fold(run) / MODEL), device="cpu")
    assert set(predictor.model.modalities) == {"audio", "video", "text"}
    with running(predictor) as started:
        yield started


def _fold(run: Path) -> Path:
    return Workspace(run).fold(parse_fold_id(f"{VARIANT}:1"))


def test_an_uploaded_film_gets_the_answer_that_training_stored(cinema: Running, stored: pd.DataFrame) -> None:
    found = []
    for row in stored.itertuples():
        reply = cinema.upload("/predict", ("file", "a.mp4", row.film), ("text", None, row.transcript.encode()))
        (answer,) = reply.json["predictions"]
        assert set(answer["modalities"]) == {"audio", "video", "text"}, answer
        found.append(list(answer["probabilities"].values()))
    np.testing.assert_allclose(found, np.stack(stored["probabilities"].to_list()), atol=CLOSE)


def test_films_in_a_request_of_v2_do_too(cinema: Running, stored: pd.DataFrame) -> None:
    columns = {
        "video": [base64.b64encode(film).decode() for film in stored["film"]],
        "text": list(stored["transcript"]),
    }
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [len(stored)], "data": values} for name, values in columns.items()
    ]
    reply = cinema.post_json("/v2/models/tiny/infer", {"inputs": inputs, "outputs": [{"name": "probabilities"}]})
    assert reply.status == 200, reply.body
    (output,) = reply.json["outputs"]
    expected = np.stack(stored["probabilities"].to_list())
    np.testing.assert_allclose(np.reshape(output["data"], output["shape"]), expected, atol=CLOSE)


def test_the_picture_counts(cinema: Running, stored: pd.DataFrame) -> None:
    first, second = (
        cinema.upload("/predict", ("file", "a.mp4", film), ("text", None, b"hello")).json["predictions"][0]
        for film in stored["film"][:2]
    )
    assert first["probabilities"] != second["probabilities"]

"""Predictions from media, without manifest and store, equal the predictions of the trained fold."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.params import Params
from merflow.contracts.streams import Modality
from merflow.corpus.samples import read_samples
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import FeatureError, ModelError
from merflow.features.batches.standardize import STANDARDIZER
from merflow.features.media.dialogue_video import VideoSpan, read_dialogue, video_rate
from merflow.inference.media_clips import Clip, Frames, Samples, VideoFile
from merflow.inference.media_streams import RefusedInput
from merflow.inference.missing import Without
from merflow.inference.prediction import predict
from merflow.inference.trained_model import load_trained
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.runs.fold_folder import MODEL, read_missing
from tests.inference.media_of_folds import Fold, MediaSource, clips_of, predicted, train_fold

# Audio and text with the turns around, and all three modalities; nothing is downloaded, and no network encodes.
CONTEXT, VIDEO = "context-mmt:mmt-frozen", "gia-mic:full"

# Both encoders learn, miniatures of the real ones.
FINE_TUNED = "layer-adapter-fusion:st-la"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    """Return a folder with the manifest and the splits of a release with video."""
    folder = tmp_path_factory.mktemp("corpus")
    release = synthesize(folder / "release", size="tiny", video=True)
    index(release, corpus="synthetic", out=folder / "manifest.parquet", params=params.corpus)
    split(folder / "manifest.parquet", out=folder / "splits.parquet", params=params.splits)
    return folder


@pytest.fixture(scope="module")
def lite(params: Params) -> Params:
    return params.model_copy(update={"training": params.training.model_copy(update={"max_epochs": 1})})


@pytest.fixture(scope="module")
def context(corpus: Path, lite: Params, tmp_path_factory: pytest.TempPathFactory) -> Fold:
    return train_fold(corpus, tmp_path_factory.mktemp("context"), CONTEXT, params=lite)


@pytest.fixture(scope="module")
def video(corpus: Path, lite: Params, tmp_path_factory: pytest.TempPathFactory) -> Fold:
    return train_fold(corpus, tmp_path_factory.mktemp("video"), VIDEO, params=lite)


@pytest.fixture(scope="module")
def fine_tuned(corpus: Path, lite: Params, encoders: Path, tmp_path_factory: pytest.TempPathFactory) -> Fold:
    tiny = {"profile": "tiny", "encoders_folder": str(encoders)}
    changes = {"features": lite.features.model_copy(update=tiny)}
    return train_fold(corpus, tmp_path_factory.mktemp("tuned"), FINE_TUNED, params=lite.model_copy(update=changes))


@pytest.mark.parametrize("name", ["context", "video"])
def test_media_give_the_fold_s_predictions_to_the_bit(name: str, request: pytest.FixtureRequest) -> None:
    fold: Fold = request.getfixturevalue(name)
    trained = fold.load()
    clips = clips_of(fold, reach=trained.encoders.reach)
    assert len(clips) == 12
    assert np.array_equal(predicted(fold, trained, clips), fold.probabilities)


def test_a_clip_alone_is_predicted_as_in_a_batch(context: Fold) -> None:
    trained = context.load()
    clips = clips_of(context, reach=trained.encoders.reach)[:5]
    with torch.inference_mode():
        rows = [trained.model(trained.encoders.batch([clip])).logits.softmax(dim=-1) for clip in clips]
    # Sums over padding and other batch sizes round differently.
    assert torch.cat(rows).numpy() == pytest.approx(context.probabilities[:5], abs=1e-5)


def test_encoders_that_learned_run_in_the_graph(fine_tuned: Fold) -> None:
    trained = fine_tuned.load()
    clips = clips_of(fine_tuned, reach=trained.encoders.reach)
    batch = trained.encoders.batch(clips[:3])
    assert isinstance(batch, RawBatch)
    assert batch.streams.keys() == {"speech_layers", "text_layers"}
    # Micro-batches are cut by the longest clip of a batch here, by the corpus' longest there.
    assert predicted(fine_tuned, trained, clips) == pytest.approx(fine_tuned.probabilities, abs=1e-5)


@pytest.mark.parametrize("name", ["video", "fine_tuned"])
def test_the_part_of_a_modality_is_that_of_the_whole_batch(name: str, request: pytest.FixtureRequest) -> None:
    fold: Fold = request.getfixturevalue(name)
    encoders = fold.load().encoders
    clips = clips_of(fold, reach=encoders.reach)[:3]
    whole = encoders.batch(clips)
    roles: dict[Modality, int] = {"audio": 1, "text": 1}
    if name == "video":
        roles["video"] = 1
    for modality, count in roles.items():
        alone = [
            Clip(
                clip.clip_id,
                audio=clip.audio if modality == "audio" else None,
                video=clip.video if modality == "video" else None,
                text=clip.text if modality == "text" else None,
            )
            for clip in clips
        ]
        part = encoders.part(alone, modality)
        if isinstance(whole, RawBatch):
            assert isinstance(part, RawBatch)
            assert len(part.streams) == count
            for role, stream in part.streams.items():
                assert torch.equal(stream.positions, whole.streams[role].positions)
                pairs = zip(stream.slices, whole.streams[role].slices, strict=True)
                assert all(torch.equal(mine.values, theirs.values) for mine, theirs in pairs)
        else:
            assert isinstance(part, Batch)
            assert len(part.features) == count
            for key, values in part.features.items():
                assert torch.equal(values, whole.features[key])
                assert torch.equal(part.present[key], whole.present[key])
    assert encoders.part([Clip("mute")], "audio").utterance_ids == ("mute",)


def test_samples_in_memory_at_any_rate_are_as_a_file(context: Fold) -> None:
    trained = context.load()
    clip = clips_of(context, reach=0)[0]
    assert isinstance(clip.audio, Path)
    samples = read_samples(clip.audio, n_samples=None, resample=False)
    from_file, from_memory = (
        trained.encoders.batch([each])
        for each in (clip, replace(clip, audio=Samples(np.stack([samples, samples], axis=1))))
    )
    assert isinstance(from_file, Batch)
    assert isinstance(from_memory, Batch)
    assert torch.equal(from_memory.features["speech_layers"], from_file.features["speech_layers"])
    doubled = trained.encoders.batch([replace(clip, audio=Samples(np.repeat(samples, 2), rate_hz=32_000))])
    assert isinstance(doubled, Batch)
    assert doubled.features["speech_layers"].shape == from_file.features["speech_layers"].shape


def test_a_missing_modality_is_a_mask_of_false(video: Fold) -> None:
    trained, missing = video.load(), read_missing(video.folder)
    assert missing is not None
    clips = [replace(clip, video=None, text=" ") for clip in clips_of(video, reach=0)]
    batch = trained.encoders.batch(clips)
    assert isinstance(batch, Batch)
    assert {role: bool(mask.any()) for role, mask in batch.present.items()} == {
        "video": False,
        "speech": True,
        "text": False,
    }
    rows = missing[missing["missing"] == "text+video"]
    expected = np.stack(rows["probabilities"].tolist())
    # There the masked steps are as many as before, here one.
    assert predicted(video, trained, clips) == pytest.approx(expected, abs=1e-5)
    whole = MediaSource(clips_of(video, reach=0), trained.encoders, video.lengths)
    assert predict(
        trained.model,
        Without(whole, ["text", "video"]),
        task=trained.record.task,
        batch_size=trained.record.recipes[-1].batch_size,
        params=video.params.training,
    ) == pytest.approx(expected, abs=1e-6)


def test_a_video_without_times_lasts_as_long_as_its_recording(video: Fold) -> None:
    trained = video.load()
    clip = clips_of(video, reach=0)[0]
    assert isinstance(clip.video, VideoFile)
    assert isinstance(clip.audio, Path)
    seconds = len(read_samples(clip.audio, n_samples=None, resample=False)) / 16_000
    timed, untimed = (
        trained.encoders.batch([replace(clip, video=replace(clip.video, start_s=0.0, end_s=end_s))])
        for end_s in (seconds, None)
    )
    assert isinstance(timed, Batch)
    assert isinstance(untimed, Batch)
    assert torch.equal(timed.features["video"], untimed.features["video"])


def test_frames_in_memory_are_as_a_file(video: Fold) -> None:
    trained = video.load()
    clip = clips_of(video, reach=0)[0]
    assert isinstance(clip.video, VideoFile)
    assert clip.video.end_s is not None
    span = VideoSpan("all", clip.video.side, clip.video.start_s, clip.video.end_s)
    [(_, frames)] = read_dialogue(clip.video.path, [span], clip_s=None)
    assert isinstance(frames, np.ndarray)
    rate_hz = float(video_rate(clip.video.path))
    assert 10 < len(frames) < 180
    from_file, from_memory = (
        trained.encoders.batch([each]) for each in (clip, replace(clip, video=Frames(frames, rate_hz)))
    )
    assert isinstance(from_file, Batch)
    assert isinstance(from_memory, Batch)
    assert torch.equal(from_memory.features["video"], from_file.features["video"])
    longer = trained.encoders.batch([replace(clip, video=Frames(np.tile(frames, (20, 1, 1, 1)), rate_hz))])
    assert isinstance(longer, Batch)
    assert longer.features["video"].shape[1] == 180


def test_a_video_alone_lasts_to_the_end_of_its_file(video: Fold) -> None:
    trained = video.load()
    clip = clips_of(video, reach=0)[0]
    assert isinstance(clip.video, VideoFile)
    alone = trained.encoders.batch([Clip("alone", video=VideoFile(clip.video.path, side="left"))])
    assert isinstance(alone, Batch)
    assert alone.present["video"].sum() == 152
    with pytest.raises(FeatureError, match=r"clip 'lost', role 'video': video .*nowhere\.avi: "):
        trained.encoders.batch([Clip("lost", video=VideoFile(Path("nowhere.avi")))])


def test_encoders_may_take_several_inputs_at_once(context: Fold) -> None:
    clips = clips_of(context, reach=4)[:6]
    costs: tuple[dict[Modality, int], ...] = ({}, {"audio": 10_000, "text": 1_000})
    alone, together = (
        load_trained(context.folder / MODEL, device="cpu", cost=cost).encoders.batch(clips) for cost in costs
    )
    assert isinstance(alone, Batch)
    assert isinstance(together, Batch)
    for role, values in alone.features.items():
        assert torch.equal(together.features[role], values), role


def test_what_cannot_be_read_is_named_or_masked(video: Fold, tmp_path: Path) -> None:
    trained = video.load()
    clip = replace(clips_of(video, reach=0)[0], audio=tmp_path / "nowhere.wav")
    with pytest.raises(FeatureError, match=rf"clip '{clip.clip_id}', role 'speech': no such recording: .*nowhere\.wav"):
        trained.encoders.batch([clip])
    refused: list[RefusedInput] = []
    batch = trained.encoders.batch([clip], refused=refused.append)
    assert isinstance(batch, Batch)
    assert [(each.clip_id, each.role) for each in refused] == [(clip.clip_id, "speech")]
    assert not batch.present["speech"].any()
    assert batch.present["video"].any()
    with pytest.raises(FeatureError, match="clip 'mute' has no audio or text or video, which the model reads"):
        trained.encoders.batch([Clip("mute")])
    with pytest.raises(FeatureError, match="pass at least one"):
        trained.encoders.batch([])
    broken = replace(clip, audio=Samples(np.array([0.0, np.nan])))
    with pytest.raises(FeatureError, match="samples are not all finite"):
        trained.encoders.batch([broken])


def test_other_encoders_are_refused(fine_tuned: Fold, tmp_path: Path) -> None:
    folder = tmp_path / "encoders"
    shutil.copytree(fine_tuned.params.features.encoders_folder, folder)
    config = folder / "roberta-base/config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(ModelError, match=r"was trained with .*roberta-base .*\(files \w+\), but .* holds"):
        load_trained(fine_tuned.folder / MODEL, encoders_folder=str(folder))


def test_only_a_model_of_standardized_features_needs_their_statistics(
    fine_tuned: Fold, context: Fold, tmp_path: Path
) -> None:
    assert not (fine_tuned.folder / MODEL / STANDARDIZER).exists()
    copied = tmp_path / "model"
    shutil.copytree(context.folder / MODEL, copied)
    (copied / STANDARDIZER).unlink()
    with pytest.raises(FeatureError, match="no such standardizer"):
        load_trained(copied)

"""A loaded package predicts as its fold models did in training, and refuses files that were changed or planted."""

import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.calibration_record import ANY_GROUP, Calibration
from merflow.contracts.model_package import PACKAGE
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.errors import FeatureError, ModelError
from merflow.evaluation.temperature import scaled
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.interface import Encoder, Prepared
from merflow.inference import shared_encoders
from merflow.inference.answers import Prediction
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_clips import Clip, dialogue
from merflow.inference.media_streams import RefusedInput
from merflow.inference.packaged_model import PackagedModel, load_package
from merflow.runs.fold_folder import folds_below, read_predictions


@pytest.fixture(scope="module")
def manifest(benchmark: Path) -> Manifest:
    return read_manifest(benchmark / "manifest.parquet")


@pytest.fixture(scope="module")
def loaded(ensemble: Path) -> PackagedModel:
    return load_package(ensemble, device="cpu")


def clips_of(manifest: Manifest, names: list[str], *, reach: int) -> list[Clip]:
    """Return these utterances as clips, with the turns around them."""
    clips: dict[str, Clip] = {}
    for _, turns in manifest.rows.groupby("dialogue_id"):
        made = [
            Clip(
                str(row["utterance_id"]),
                audio=manifest.root / str(row["audio_path"]),
                text=str(row["transcript"]),
            )
            for _, row in turns.sort_values("turn_index").iterrows()
        ]
        clips |= {clip.clip_id: clip for clip in dialogue(made, reach=reach)}
    return [clips[name] for name in names]


def test_each_member_predicts_its_fold_s_test_part_as_in_training(
    benchmark: Path, manifest: Manifest, loaded: PackagedModel
) -> None:
    folds = sorted(folds_below(benchmark / "folds"))
    assert len(folds) == len(loaded.members) == 2
    for member, fold in zip(loaded.members, folds, strict=True):
        rows = read_predictions(fold)
        alone = Ensemble((member,), loaded.calibration, "cpu", loaded.shared)
        clips = clips_of(manifest, rows["utterance_id"].tolist(), reach=alone.reach)
        assert alone.raw(clips) == pytest.approx(np.stack(rows["probabilities"].tolist()), abs=1e-5)


def test_an_ensemble_is_the_mean_of_its_members(manifest: Manifest, loaded: PackagedModel) -> None:
    names = manifest.rows["utterance_id"].tolist()[:40]
    clips = clips_of(manifest, names, reach=loaded.reach)
    alone = [Ensemble((member,), loaded.calibration, "cpu", loaded.shared).raw(clips) for member in loaded.members]
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    raw = loaded.raw(clips)
    assert raw == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    assert isinstance(loaded.calibration, Calibration)
    assert loaded.calibrated(raw) == pytest.approx(scaled(raw, loaded.calibration.temperature))


def test_a_prediction_has_the_set_of_its_group(manifest: Manifest, loaded: PackagedModel) -> None:
    clips = clips_of(manifest, manifest.rows["utterance_id"].tolist()[:3], reach=loaded.reach)
    assert isinstance(loaded.calibration, Calibration)
    thresholds = loaded.calibration.thresholds
    for prediction, group in zip(loaded.predict(clips, groups=["F", "M", None]), ("F", "M", ANY_GROUP), strict=True):
        assert isinstance(prediction, Prediction)
        expected = [name for name, share in prediction.probabilities.items() if share >= thresholds[group]]
        assert list(prediction.possible) == expected
        assert prediction.abstained == (len(expected) != 1)
        assert prediction.emotion == max(prediction.probabilities, key=lambda name: prediction.probabilities[name])


def test_a_missing_modality_is_masked_and_a_clip_without_any_is_refused(loaded: PackagedModel) -> None:
    (prediction,) = loaded.predict([Clip("words", text="i can not believe it")])
    assert isinstance(prediction, Prediction)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    with pytest.raises(FeatureError, match="clip 'nothing' has no audio or text"):
        loaded.predict([Clip("nothing")])
    with pytest.raises(FeatureError, match="no clips"):
        loaded.predict([])


def test_an_input_that_cannot_be_read_is_reported_once(loaded: PackagedModel, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no sound")
    clip = Clip("broken", audio=tmp_path / "noise.wav", text="hello")
    told: list[RefusedInput] = []
    (prediction,) = loaded.predict([clip], refused=told.append)
    assert [(each.clip_id, each.role) for each in told] == [("broken", "speech_layers")]
    (silent,) = loaded.predict([Clip("silent", text="hello")])
    assert isinstance(prediction, Prediction)
    assert isinstance(silent, Prediction)
    assert prediction.probabilities == silent.probabilities
    with pytest.raises(FeatureError, match=r"noise\.wav"):
        loaded.predict([clip])


def test_a_recording_that_changed_is_read_again(loaded: PackagedModel, manifest: Manifest, tmp_path: Path) -> None:
    first, second = manifest.root / manifest.rows["audio_path"][0], manifest.root / manifest.rows["audio_path"][5]
    clip = Clip("same", audio=tmp_path / "one.wav")
    shutil.copyfile(first, tmp_path / "one.wav")
    before = loaded.raw([clip])
    shutil.copyfile(second, tmp_path / "one.wav")
    assert not np.array_equal(loaded.raw([clip]), before)


def test_encoders_that_members_share_are_loaded_once_and_run_once_per_clip(
    ensemble: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    encoded: list[str] = []

    def counted(spec: EncoderSpec, stream: Stream, *, device: str) -> Encoder:
        encoder = build_encoder(spec, stream, device=device)
        built.append(stream.role)
        encode = encoder.encode

        def counting(inputs: Sequence[Prepared]) -> list[np.ndarray]:
            encoded.extend([stream.role] * len(inputs))
            return list(encode(inputs))

        monkeypatch.setattr(encoder, "encode", counting)
        return encoder

    monkeypatch.setattr(shared_encoders, "build_encoder", counted)
    loaded = load_package(ensemble, device="cpu")
    assert sorted(built) == ["speech_layers", "text_layers"]
    clips = clips_of(manifest, manifest.rows["utterance_id"].tolist()[:5], reach=0)
    loaded.raw(clips)
    assert encoded.count("speech_layers") == 5, "and not once per member"


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights": (
        lambda folder: flip_last_byte(folder / "members/01/model.safetensors"),
        "01/model.safetensors was chan",
    ),
    "calibration": (lambda folder: (folder / "calibration.json").write_text("{}"), "calibration.json was changed"),
    "evidence": (lambda folder: flip_last_byte(folder / "evidence/predictions.parquet"), "predictions.parquet was cha"),
    "missing": (lambda folder: (folder / "members/00/fold_record.json").unlink(), "00/fold_record.json is missing"),
    "added": (
        lambda folder: (folder / "members/00/encoders.safetensors").touch(),
        "encoders.safetensors is not a file of",
    ),
    "no package": (lambda folder: (folder / PACKAGE).unlink(), "is not a model package: package.json is missing"),
    **{
        ending: (
            lambda folder, ending=ending: (folder / f"members/00/cache{ending}").write_bytes(pickle.dumps(1)),  # type: ignore[misc]
            f"cache{ending} may be a pickle",
        )
        for ending in (".pkl", ".pickle", ".pt", ".bin", ".joblib", ".PT")
    },
    "pickle beside": (lambda folder: (folder / "notes.pkl").touch(), "notes.pkl may be a pickle"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_package_that_was_changed_is_refused_by_the_name_of_the_file(
    damage: str, ensemble: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "package"
    shutil.copytree(ensemble, folder)
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(ModelError, match=message):
        load_package(folder, device="cpu")


def test_a_link_is_refused(ensemble: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(ensemble, folder)
    weights = folder / "members/00/model.safetensors"
    weights.rename(tmp_path / "elsewhere.safetensors")
    weights.symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ModelError, match=r"model.safetensors is a link"):
        load_package(folder, device="cpu")


def test_a_card_may_be_added(ensemble: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(ensemble, folder)
    (folder / "card.md").write_text("# A card")
    assert load_package(folder, device="cpu").package.variant

"""Export of a trained model to ONNX, checked against PyTorch on recordings before files are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.calibration_record import Calibration
from merflow.contracts.exported_model import MODEL_ONNX, ExportedModel, ExportResult
from merflow.contracts.progress import Progress, plain_lines
from merflow.contracts.score_calibration import ScoreCalibration
from merflow.contracts.streams import Modality
from merflow.corpus.manifest import read_manifest, recording_of
from merflow.corpus.samples import RATE_HZ
from merflow.errors import ExportError, MerflowError, OutputError
from merflow.exporting.equality import TOLERANCE, compared
from merflow.exporting.example import write_example
from merflow.exporting.graph import ClipGraph
from merflow.exporting.limits import check_exportable, remarks_on
from merflow.exporting.onnx_file import OnnxModel, require_onnx, write_graph
from merflow.exporting.speech_fronts import SHORTEST
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_clips import Clip
from merflow.opening.open_model import open_model
from merflow.promotion.probe_clips import made_up_clips
from merflow.runs.run_folder import read_run
from merflow.serving.media import open_clip
from merflow.serving.predictor import ServedModel
from merflow.storage.local import replacing_folder

CLIPS = 8
_SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
_SENTENCE = "Well, I did not think that you would really say that to us!"
_SECONDS = (0.5, 8.0)  # of generated clips


@dataclass(frozen=True)
class ExportRequest:
    """A model to export, with the settings.

    Attributes:
        model: Its location; see :func:`merflow.opening.open_model.open_model`.
        out: Folder of the files, which must be absent or empty.
        clips: Recordings, or folders of them, to check the exported model on; empty for recordings from the benchmark's
            corpus or, if there are none, generated sounds.
        tracking_uri: MLflow server or database of the model.
        encoders_folder: ``features.encoders_folder``.
    """

    model: str
    out: Path
    clips: Sequence[Path] = ()
    tracking_uri: str | None = None
    encoders_folder: str = ""


def export(request: ExportRequest, *, progress: Progress | None = None) -> ExportResult:
    """Write ``model.onnx`` and ``predict.py``, which uses it.

    No files are left behind unless the exported model agrees with PyTorch on every clip.

    Args:
        request: The model and the settings.
        progress: Receives the stages ``export`` and ``check``; None prints plain lines.

    Raises:
        ExportError: A package is missing, the model cannot be exported, or the result differs from it.
        OutputError: The folder exists and is not empty, or cannot be written.
        MerflowError: The model cannot be opened, or a clip cannot be read.
    """
    tell = progress or plain_lines()
    require_onnx()
    if request.out.is_file() or (request.out.is_dir() and any(request.out.iterdir())):
        raise OutputError(f"{request.out} exists already; choose another --out, or delete it")
    predictor = open_model(
        request.model, tracking_uri=request.tracking_uri, encoders_folder=request.encoders_folder, device="cpu"
    )
    ensemble = predictor.ensemble
    check_exportable(ensemble, name=predictor.model.name)
    clips, made_up = _clips(request, modalities=ensemble.modalities)
    with replacing_folder(request.out) as folder:
        tell("export", 0, 1)
        graph = ClipGraph(ensemble)
        facts = _facts(predictor.model, ensemble, graph)
        write_graph(graph, folder / MODEL_ONNX, facts=facts)
        write_example(folder, inputs=graph.inputs, words=graph.words, scores=facts.scale is not None)
        tell("export", 1, 1)
        checked = compared(
            OnnxModel(folder / MODEL_ONNX),
            ensemble,
            clips,
            words=graph.words,
            done=lambda number, total: tell("check", number, total),
        )
        names = sorted(path.name for path in folder.iterdir())
        size = sum((folder / name).stat().st_size for name in names)
    return ExportResult(
        files=tuple(request.out / name for name in names),
        size_mib=size / 2**20,
        model=facts,
        checked=checked,
        tolerance=TOLERANCE,
        made_up=made_up,
    )


def _facts(model: ServedModel, ensemble: Ensemble, graph: ClipGraph) -> ExportedModel:
    calibration = ensemble.calibration
    half_widths = calibration.half_widths if isinstance(calibration, ScoreCalibration) else {}
    return ExportedModel(
        name=model.name,
        version=model.version,
        title=model.title,
        members=len(ensemble.members),
        classes=ensemble.classes,
        inputs=graph.inputs,
        rate_hz=RATE_HZ,
        least_samples=SHORTEST,
        words=None if graph.words is None else graph.words.kind,
        calibrated=calibration is not None,
        temperature=calibration.temperature if isinstance(calibration, Calibration) else 1.0,
        thresholds=calibration.thresholds if isinstance(calibration, Calibration) else {},
        coverage=None if calibration is None else calibration.coverage,
        remarks=remarks_on(ensemble),
        scale=model.scale,
        half_widths=None if model.scale is None else half_widths,
    )


def _clips(request: ExportRequest, *, modalities: Sequence[Modality]) -> tuple[list[Clip], bool]:
    """Return the clips to check with, the last without words if the model reads audio; True if they are generated."""
    made_up = False
    if request.clips:
        clips = [open_clip(path, clip_id=path.name, text=_SENTENCE) for path in _recordings(request.clips)]
    else:
        clips = _of_corpus(Path(request.model))
        made_up = not clips
        clips = clips or made_up_clips({"audio", "text"}, seconds=_SECONDS, count=CLIPS)
    if "text" not in modalities:
        return [Clip(each.clip_id, audio=each.audio) for each in clips], made_up
    if "audio" not in modalities:
        return [Clip(each.clip_id, text=each.text) for each in clips if each.has("text")], made_up
    spoken = [Clip(each.clip_id, audio=each.audio, text=each.text) for each in clips]
    if len(spoken) > 1:
        spoken[-1] = Clip(spoken[-1].clip_id, audio=spoken[-1].audio)
    return spoken, made_up


def _recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings that the paths name.

    Raises:
        ExportError: A path does not exist, or a folder has no recording.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in _SOUNDS) if path.is_dir() else [path]
        inside = [each for each in inside if each.is_file() and not each.name.startswith(".")]
        if not inside:
            raise ExportError(f"no recording to check the exported model on: {path}; correct --clips")
        found += inside
    return found


def _of_corpus(location: Path) -> list[Clip]:
    """Return recordings from the corpus of a benchmark's folder; none if the corpus no longer exists."""
    try:
        manifest = read_manifest(read_run(location).manifest())
    except MerflowError:
        return []
    rows = manifest.rows[manifest.rows["audio_path"].notna()].sort_values("utterance_id")
    rows = rows.iloc[:: max(1, len(rows) // CLIPS)].head(CLIPS)
    clips = [
        Clip(str(row["utterance_id"]), audio=recording_of(row, root=manifest.root), text=str(row["transcript"] or ""))
        for row in rows.to_dict("records")
    ]
    return [clip for clip, path in zip(clips, rows["audio_path"], strict=True) if (manifest.root / path).is_file()]

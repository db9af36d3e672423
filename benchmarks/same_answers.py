"""A fold's test clips through every way in, next to the predictions that its training stored.

The fold's model alone is asked, so that the answers are not calibrated and can be compared with the stored ones. Its
clips come from a speaker that it never heard.

``python -m benchmarks.same_answers FOLD --manifest MANIFEST --corpus NAME [--onnx MODEL.onnx]``
"""

import argparse
import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.record import write_result
from merflow.corpus.manifest import read_manifest
from merflow.corpus.samples import read_samples
from merflow.inference.clip_table import probability_column
from merflow.runs.fold_folder import MODEL, read_predictions

NAME, BOUNDARY, BATCH = "model", "aBoundaryThatNothingContains", 16
_MERFLOW = [sys.executable, "-m", "merflow"]

Clips = Sequence[Path]


def by_command(model: Path, clips: Clips) -> np.ndarray:
    """Return the probabilities that ``merflow predict`` prints."""
    command = [*_MERFLOW, "predict", *map(str, clips), "--model", str(model), "--json", "--device", "cpu"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return np.array([list(clip["heard"]["probabilities"].values()) for clip in said["clips"]])


def by_v1(url: str, clips: Clips) -> np.ndarray:
    """Ask through KServe's V1 protocol, with base64 in JSON."""
    body = {"instances": [{"audio": {"b64": base64.b64encode(clip.read_bytes()).decode()}} for clip in clips]}
    answers = _post(f"{url}/v1/models/{NAME}:predict", json.dumps(body).encode(), {"Content-Type": "application/json"})
    return np.array([list(each["probabilities"].values()) for each in json.loads(answers)["predictions"]])


def by_v2(url: str, clips: Clips) -> np.ndarray:
    """Ask through the Open Inference Protocol, with base64 in JSON."""
    elements = [base64.b64encode(clip.read_bytes()).decode() for clip in clips]
    tensor = {"name": "audio", "datatype": "BYTES", "shape": [len(clips)], "data": elements}
    body = {"inputs": [tensor], "outputs": [{"name": "probabilities"}]}
    answer = _post(f"{url}/v2/models/{NAME}/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})
    (output,) = json.loads(answer)["outputs"]
    return np.array(output["data"]).reshape(output["shape"])


def by_v2_binary(url: str, clips: Clips) -> np.ndarray:
    """Ask through the Open Inference Protocol, with the bytes behind the JSON in both directions."""
    content = b"".join(len(data).to_bytes(4, "little") + data for data in (clip.read_bytes() for clip in clips))
    facts = {"binary_data_size": len(content)}
    tensor = {"name": "audio", "datatype": "BYTES", "shape": [len(clips)], "parameters": facts}
    head = json.dumps(
        {"inputs": [tensor], "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]}
    ).encode()
    kind = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    answer = _post(f"{url}/v2/models/{NAME}/infer", head + content, kind)
    text, size = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    (output,) = text["outputs"]
    return np.frombuffer(answer[size:], dtype="<f8").reshape(output["shape"])


def by_upload(url: str, clips: Clips) -> np.ndarray:
    """Upload the clips as a form does."""
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{clip.name}"\r\n\r\n'.encode()
        + clip.read_bytes()
        + b"\r\n"
        for clip in clips
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = json.loads(_post(f"{url}/predict", body + f"--{BOUNDARY}--\r\n".encode(), kind))
    return np.array([list(each["probabilities"].values()) for each in answer["predictions"]])


def by_table(model: Path, clips: Clips) -> np.ndarray:
    """Ask as the registered pyfunc does: a table in, a table out."""
    from merflow.inference.clip_table import predict_table
    from merflow.inference.ensemble import load_ensemble

    loaded = load_ensemble([model], calibration=None, encoders_folder="", device="cpu")
    table: pd.DataFrame = predict_table(
        loaded, pd.DataFrame({"audio": [str(clip) for clip in clips]}), calibrated=False
    )
    found: np.ndarray = table[[probability_column(name) for name in loaded.classes]].to_numpy()
    return found


def by_onnx(model: Path, clips: Clips) -> np.ndarray:
    """Run the file that ``merflow export`` wrote, in ONNX Runtime alone."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    sounds = [read_samples(clip, n_samples=None, resample=True) for clip in clips]
    return np.stack([session.run(["raw"], {"samples": sound})[0] for sound in sounds])


@contextmanager
def server(model: Path) -> Iterator[str]:
    """Run ``merflow serve`` in a process of its own, and yield its address."""
    command = [*_MERFLOW, "serve", str(model), "--port", "8187", "--name", NAME, "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = "http://127.0.0.1:8187"
    try:
        _wait_until_ready(f"{url}/v2/health/ready", process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError("the server ended before it was ready")


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    with urllib.request.urlopen(request, timeout=300) as answer:
        content: bytes = answer.read()
    return content


def _in_batches(ask: Callable[[str, Clips], np.ndarray], url: str, clips: Clips) -> np.ndarray:
    return np.concatenate([ask(url, clips[start : start + BATCH]) for start in range(0, len(clips), BATCH)])


def largest_differences(fold: Path, *, manifest: Path, onnx: Path | None) -> dict[str, Any]:
    """Return the largest difference of a probability, per way in, over the fold's test clips."""
    stored = read_predictions(fold)
    corpus = read_manifest(manifest)
    paths = corpus.rows.set_index("utterance_id")["audio_path"]
    clips = [corpus.root / paths[name] for name in stored["utterance_id"]]
    expected = np.stack(stored["probabilities"].to_list()).astype(np.float64)
    model = fold / MODEL
    found = {"merflow predict": by_command(model, clips), "clip table, as in the pyfunc": by_table(model, clips)}
    with server(model) as url:
        for name, ask in (
            ("HTTP V1", by_v1),
            ("HTTP V2", by_v2),
            ("HTTP V2, binary", by_v2_binary),
            ("HTTP upload", by_upload),
        ):
            found[name] = _in_batches(ask, url, clips)
    if onnx is not None:
        found["ONNX"] = by_onnx(onnx, clips)
    return {
        "clips": len(clips),
        "largest_difference": {name: float(np.abs(values - expected).max()) for name, values in found.items()},
    }


def main() -> None:
    """Print the differences and record them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("fold", type=Path, help="folder of a trained fold of a model that reads sound alone")
    parser.add_argument("--manifest", type=Path, required=True, help="manifest of its corpus")
    parser.add_argument("--onnx", type=Path, help="the model.onnx that merflow export made of the fold")
    parser.add_argument("--corpus", required=True, help="name of the corpus, for the record")
    chosen = parser.parse_args()
    figures = largest_differences(chosen.fold, manifest=chosen.manifest, onnx=chosen.onnx)
    for name, difference in figures["largest_difference"].items():
        sys.stdout.write(f"{name:32} {difference:.1e}\n")
    write_result("same_answers", {"corpus": chosen.corpus, **figures})


if __name__ == "__main__":
    main()

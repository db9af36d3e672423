"""Graphs as ONNX files: written with PyTorch's exporter, and run with ONNX Runtime."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merflow.contracts.exported_model import METADATA, WORDS_METADATA, ExportedModel
from merflow.contracts.quiet_loggers import quiet
from merflow.corpus.samples import RATE_HZ
from merflow.errors import ExportError
from merflow.exporting.graph import SAMPLES, WORDS, ClipGraph
from merflow.exporting.speech_fronts import SHORTEST

_FEWEST_WORDS = 2  # including padding; PyTorch's exporter treats a length of 1 as a constant
_SECONDS = 31  # of the example, for the same reason: two windows of Whisper
_SENTENCE = "one two three four five six seven"
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
_ONE_FILE_BYTES = 1_900_000_000  # of weights; Protocol Buffers are limited to 2 GiB


def require_onnx() -> None:
    """Raise if the packages that write, optimize and run ONNX files are not all installed.

    Raises:
        ExportError: One is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ExportError(
            f"exporting needs {', '.join(missing)}, which is not installed; pip install 'merflow[export]'"
        )


def write_graph(graph: ClipGraph, path: Path, *, facts: ExportedModel) -> None:
    """Write a graph with its weights; weights of more than 1.9 GB go to a file next to it.

    Args:
        graph: The graph.
        path: The file.
        facts: Facts for its metadata.

    Raises:
        ExportError: PyTorch cannot export it.
    """
    most_words = None if graph.words is None else graph.words.facts.get("limit")
    sizes = {
        SAMPLES: torch.export.Dim("samples", min=SHORTEST),
        WORDS: torch.export.Dim("words", min=_FEWEST_WORDS, max=most_words),
    }
    shapes = tuple({0: sizes[name]} for name in graph.inputs)
    try:
        with _quiet():
            exported = torch.export.export(
                graph,
                _example(graph),
                dynamic_shapes=(shapes,),
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,  # guards that hold for all lengths are not proven
            )
            program: Any = torch.onnx.export(
                exported, input_names=list(graph.inputs), output_names=list(facts.outputs), dynamo=True, verbose=False
            )
    except Exception as error:  # operators without a translation cause various errors
        reason = _reason(error)
        raise ExportError(
            f"PyTorch {torch.__version__} cannot export {facts.name} to ONNX: {reason}; report it with the preset"
        ) from error
    program.model.metadata_props[METADATA] = facts.model_dump_json()
    if graph.words is not None:
        program.model.metadata_props[WORDS_METADATA] = json.dumps(graph.words.facts)
    weights = sum(value.nbytes for value in (*graph.parameters(), *graph.buffers()))
    program.save(path, external_data=weights > _ONE_FILE_BYTES)


class OnnxModel:
    """An exported model in ONNX Runtime, on the CPU.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.facts = ExportedModel.model_validate_json(self._session.get_modelmeta().custom_metadata_map[METADATA])

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return calibrated and raw probabilities, ``(C,)`` float32 each, or the score ``(1,)``, by name."""
        names = self.facts.outputs
        values = self._session.run(list(names), {name: inputs[name] for name in self.facts.inputs})
        return dict(zip(names, values, strict=True))


def _example(graph: ClipGraph) -> tuple[Tensor, ...]:
    """Return inputs of a typical size."""
    samples = torch.randn(_SECONDS * RATE_HZ, generator=torch.Generator().manual_seed(0)) / 10
    given = {SAMPLES: samples}
    if graph.words is not None:
        given[WORDS] = torch.from_numpy(graph.words.array(_SENTENCE))
    return tuple(given[name] for name in graph.inputs)


def _reason(error: BaseException) -> str:
    """Return the first line of the original error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's remarks about other libraries and its own plans."""
    with quiet(*_LOGGERS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

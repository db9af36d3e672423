"""Outputs of finished steps, kept so that a repeated rehearsal resumes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merflow.errors import PipelineError
from merflow.pipelines.rehearsal.graph import Outputs
from merflow.storage.local import replacing


class Journal:
    """A folder with one file per finished step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, path: str, *, key: str) -> Outputs | None:
        """Return the outputs of a step; None if it has not finished, or had other inputs.

        Args:
            path: The step's path in the graph.
            key: Digest of the step's inputs and container (:func:`key_of`).
        """
        file = self._file(path)
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise PipelineError(f"{file} is damaged ({error}); delete it to run the step again") from error
        return Outputs(found["parameters"], found["artifacts"]) if found["key"] == key else None

    def add(self, path: str, outputs: Outputs, *, key: str) -> None:
        """Record that a step has finished."""
        file = self._file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"key": key, "parameters": outputs.parameters, "artifacts": outputs.artifacts}
        with replacing(file) as part:
            part.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _file(self, path: str) -> Path:
        return self._folder / f"{path.replace('/', '.')}.json"


def key_of(executor_input: Mapping[str, Any], executor: Mapping[str, Any]) -> str:
    """Return a digest of a step's inputs and its container."""
    text = json.dumps([executor_input, executor], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

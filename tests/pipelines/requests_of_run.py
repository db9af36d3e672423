"""The real outputs of a pipeline's first steps: the requests of its steps, and those of its trainings."""

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from merflow.contracts.requests import ListFoldsRequest
from merflow.contracts.transcripts import with_transcripts
from merflow.jobs import steps
from tests.jobs.inputs_of_folds import inputs_of_folds, write_features

_BENCHMARK = ("index", "validate", "transcribe", "split", "extract", "list_folds", "classics", "track", "evaluate")
_PROMOTION = ("package", "register", "gate", "promote")


def requests_of_run(
    settings: Mapping[str, Any], promotion: Mapping[str, Any] | None, inputs: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the request of each step, and the paths of the requests of training.

    Args:
        settings: The fields of ``RunSettings``.
        promotion: Settings of the promotion; None for the pipeline ``benchmark``.
        inputs: Digests of the inputs of streams that were replaced, by role.
    """
    names = _BENCHMARK if promotion is None else _BENCHMARK + _PROMOTION
    plan = steps.plan_benchmark if promotion is None else partial(steps.plan_promotion, **promotion)
    looks = {name: settings[name] for name in ("corpus", "root", "transcribe", "profile", "params", "workspace")}
    requests = dict(zip(names, plan(command="", digests=steps.fingerprint(**looks), **settings), strict=True))
    trainings = ListFoldsRequest.from_json(requests["list_folds"]).trainings
    streams = dict.fromkeys(stream for each in trainings for stream in each.streams)
    features = Path(settings["workspace"]) / "artifacts/features"
    write_features(features, with_transcripts(streams, {"truth": "truth", "asr": "truth"}), inputs=inputs)
    shared = {name: str(inputs_of_folds() / name) for name in ("manifest", "splits", "run")}
    return requests, steps.list_folds(requests["list_folds"], features=str(features), **shared)


if __name__ == "__main__":
    print(json.dumps(requests_of_run(*json.loads(sys.argv[1]))))  # noqa: T201 - the answer

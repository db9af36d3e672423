"""Requests survive the way through JSON unchanged; errors name bad ones clearly."""

import json

import pytest

from merflow.contracts.params_files import shipped_params
from merflow.contracts.requests import IndexRequest, TrackRequest, TrainRequest
from merflow.errors import ParamsError

PARAMS = shipped_params()
TRAIN = TrainRequest(
    code="c0de",
    fold="mfdr:full:1:2",
    workspace="/workspace",
    params=PARAMS.training,
    presets="",
    manifest="/workspace/inputs/1.parquet",
    splits="/workspace/inputs/2.parquet",
    features="/workspace/inputs/3.json",
    run="/workspace/tracking/by-name/4.json",
    data="5",
)


def test_a_request_survives_json() -> None:
    assert TrainRequest.from_json(TRAIN.to_json()) == TRAIN
    track = TrackRequest(
        code="c0de",
        variants=["mfdr:full"],
        name="a name",
        workspace="/workspace",
        seeds=[0, 1],
        params=PARAMS.tracking,
        training=PARAMS.training,
        dvc=None,
    )
    assert TrackRequest.from_json(track.to_json()) == track


def test_a_request_is_one_line() -> None:
    assert "\n" not in TRAIN.to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "request TrainRequest is not JSON"),
        ("mfdr:full:1", "request TrainRequest is not JSON .*'mfdr:full:1'"),
        ("[]", "request TrainRequest: 1 problem"),
        (json.dumps({**json.loads(TRAIN.to_json()), "folds": 1}), "folds: unknown key; did you mean 'fold'?"),
        (json.dumps({**json.loads(TRAIN.to_json()), "fold": 1}), "fold: .*valid string, found 1"),
        (TRAIN.to_json().replace('"threads":1', '"threads":0'), "params.threads: .*greater than or equal to 1"),
    ],
)
def test_a_bad_request_is_named(text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        TrainRequest.from_json(text)


def test_a_request_of_another_step_is_refused_with_every_problem() -> None:
    with pytest.raises(ParamsError) as caught:
        IndexRequest.from_json(TRAIN.to_json())
    assert "corpus: Field required" in str(caught.value)
    assert "fold: unknown key" in str(caught.value)

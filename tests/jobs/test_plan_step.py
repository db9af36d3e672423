"""The plan of a benchmark says which folds there are, and whether one of its variants reads video."""

import pytest

from merflow.jobs import steps
from merflow.presets.plan import read_video

SECTIONS = {"splits_params": "", "features_params": "", "plan_params": ""}


@pytest.mark.parametrize(
    ("variants", "video"),
    [
        (["context-mmt:mmt-frozen", "foal-net:audio-only", "gia-mic:st"], False),
        (["mfdr:full", "foal-net:video-only"], True),
        (["gia-mic:full"], True),
    ],
)
def test_the_plan_says_whether_a_variant_reads_video(variants: list[str], video: bool) -> None:
    assert read_video(variants) is video
    items, told = steps.plan(variants, **SECTIONS)
    assert items == [f"{variant}:{fold}" for variant in variants for fold in range(1, 6)]
    assert told is video

import numpy as np
import pytest

from merflow.evaluation.embeddings import neighbours_of_one_emotion, plane


def clouds(distance: float) -> tuple[np.ndarray, list[str]]:
    """Thirty utterances of each of two emotions, so far apart."""
    vectors = np.random.default_rng(0).normal(size=(60, 8))
    vectors[30:, 0] += distance
    return vectors, ["sad"] * 30 + ["angry"] * 30


def test_emotions_that_lie_apart_stay_apart_in_the_plane() -> None:
    vectors, _ = clouds(50)
    points = plane(vectors, seed=0)
    assert points.shape == (60, 2)
    centres = points[:30].mean(axis=0), points[30:].mean(axis=0)
    within = max(np.linalg.norm(points[:30] - centres[0], axis=1).max(), points[30:].std())
    assert np.linalg.norm(centres[0] - centres[1]) > within
    np.testing.assert_array_equal(points, plane(vectors, seed=0))


@pytest.mark.parametrize(("distance", "low", "high"), [(50, 1.0, 1.0), (0, 0.4, 0.6)])
def test_neighbours_share_the_emotion_where_emotions_lie_apart(distance: float, low: float, high: float) -> None:
    same, chance = neighbours_of_one_emotion(*clouds(distance))
    assert low <= same <= high
    assert chance == pytest.approx(29 / 59)


def test_too_few_utterances_have_no_map() -> None:
    assert plane(np.ones((3, 8)), seed=0).tolist() == [[0, 0]] * 3
    assert np.isnan(neighbours_of_one_emotion(np.ones((1, 8)), ["sad"])).all()

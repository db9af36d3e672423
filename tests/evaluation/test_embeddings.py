import numpy as np
import pytest

from merflow.evaluation.embeddings import neighbours_of_one_emotion, plane, unmapped


def clouds(distance: float) -> tuple[np.ndarray, list[str]]:
    """Thirty utterances of each of two emotions, so far apart."""
    vectors = np.random.default_rng(0).normal(size=(60, 8))
    vectors[30:, 0] += distance
    return vectors, ["sad"] * 30 + ["angry"] * 30


def test_emotions_that_lie_apart_stay_apart_in_the_plane() -> None:
    vectors, _ = clouds(50)
    points = plane(vectors, seed=0)
    assert points is not None
    assert points.shape == (60, 2)
    centres = points[:30].mean(axis=0), points[30:].mean(axis=0)
    within = max(np.linalg.norm(points[:30] - centres[0], axis=1).max(), points[30:].std())
    assert np.linalg.norm(centres[0] - centres[1]) > within
    again = plane(vectors, seed=0)
    assert again is not None
    np.testing.assert_array_equal(points, again)


@pytest.mark.parametrize(("distance", "low", "high"), [(50, 1.0, 1.0), (0, 0.4, 0.6)])
def test_neighbours_share_the_emotion_where_emotions_lie_apart(distance: float, low: float, high: float) -> None:
    same, chance = neighbours_of_one_emotion(*clouds(distance))
    assert low <= same <= high
    assert chance == pytest.approx(29 / 59)


def test_too_few_utterances_have_no_map() -> None:
    assert plane(np.eye(3), seed=0) is None
    assert unmapped(np.eye(3)) == "3 utterances are not enough"
    assert np.isnan(neighbours_of_one_emotion(np.ones((1, 8)), ["sad"])).all()


ALIKE = np.tile(np.array([0.3, -2.0, 7.1], dtype=np.float32), (40, 1))


@pytest.mark.parametrize(
    ("vectors", "why"),
    [
        (np.zeros((40, 8), dtype=np.float32), "the embeddings of all utterances are equal"),
        (ALIKE, "the embeddings of all utterances are equal"),
        (ALIKE * (1 + np.array([[0], [1e-7]] * 20, dtype=np.float32)), "the embeddings of all utterances are equal"),
        (np.full((40, 8), np.nan), "some embeddings are not finite"),
        (np.where(np.arange(40)[:, None] == 7, np.inf, np.ones((40, 3))), "some embeddings are not finite"),
    ],
)
def test_what_does_not_vary_has_no_map_and_says_why(vectors: np.ndarray, why: str) -> None:
    assert plane(vectors, seed=0) is None
    assert unmapped(vectors) == why


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
def test_embeddings_of_any_size_have_a_map(scale: float) -> None:
    points = plane((clouds(50)[0] * scale).astype(np.float32), seed=0)
    assert points is not None
    assert np.isfinite(points).all()


def test_one_utterance_that_differs_is_enough() -> None:
    vectors = ALIKE.copy()
    vectors[3] += 1
    points = plane(vectors, seed=0)
    assert points is not None
    assert np.isfinite(points).all()

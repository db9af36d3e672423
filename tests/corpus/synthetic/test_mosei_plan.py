import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge

from merflow.corpus.synthetic.expression import MODALITIES
from merflow.corpus.synthetic.mosei_plan import SpokenClip, Video, plan_videos

SIGNS = {"ang": -1, "dis": -1, "fru": -1, "sad": -1, "exc": 1, "hap": 1}


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    return plan_videos("small", 0)


def labelled(videos: list[Video], part: str | None = None) -> list[SpokenClip]:
    chosen = [video for video in videos if part in (None, video.part)]
    return [clip for video in chosen for clip in video.clips if clip.sentiment is not None]


def scores(clips: list[SpokenClip]) -> np.ndarray:
    return np.array([clip.sentiment for clip in clips])


def test_a_plan_follows_from_size_and_seed(videos: list[Video]) -> None:
    assert plan_videos("small", 0) == videos
    assert plan_videos("tiny", 0) != plan_videos("tiny", 1)
    names = [video.name for video in videos]
    assert len(set(map(str.casefold, names))) == len(names) == 65
    assert {len(name) for name in names} == {11}
    assert names[0].startswith("-")


def test_scores_are_means_of_whole_ratings(videos: list[Video]) -> None:
    found = scores(labelled(videos))
    assert found.min() >= -3
    assert found.max() <= 3
    assert np.allclose(found * 6, np.rint(found * 6))
    thirds = np.isclose(found * 3, np.rint(found * 3)).mean()
    assert 0.9 < thirds < 1  # a few have two or six raters
    for share in ((found < 0).mean(), (found == 0).mean(), (found > 0).mean()):
        assert share > 0.2


def test_voice_words_and_face_each_tell_the_score_imperfectly(videos: list[Video]) -> None:
    clips = labelled(videos)
    for modality in MODALITIES:
        shown = [SIGNS.get(clip.shows[modality].code, 0) * clip.shows[modality].strength for clip in clips]
        assert 0.6 < np.corrcoef(shown, scores(clips))[0, 1] < 0.95


def test_a_model_learns_the_score_from_the_words_of_other_speakers(videos: list[Video]) -> None:
    train, test = labelled(videos, "train"), labelled(videos, "test")
    bags = CountVectorizer(ngram_range=(1, 2), binary=True).fit([clip.text for clip in train])
    model = Ridge(5.0).fit(bags.transform([clip.text for clip in train]), scores(train))
    predicted = model.predict(bags.transform([clip.text for clip in test]))
    assert np.corrcoef(predicted, scores(test))[0, 1] > 0.4


def test_times_in_the_transcript_have_the_oddities_of_the_release(videos: list[Video]) -> None:
    assert any(video.clips[0].written_s[0] < 0 for video in videos)
    assert any(video.clips[-1].written_s[1] > video.duration_s for video in videos)
    pairs = [pair for video in videos for pair in zip(video.clips, video.clips[1:], strict=False)]
    assert any(before.written_s[1] > after.written_s[0] for before, after in pairs)
    assert all(before.end_s < after.start_s for before, after in pairs)
    assert any(clip.sentiment is None for video in videos for clip in video.clips if video.part)
    assert [video.part for video in videos if not labelled([video])] == [None]

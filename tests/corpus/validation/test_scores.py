import pandas as pd

from merflow.corpus.validation.scores import NO_PART, scores_of


def test_scores_are_counted_by_part_around_thirds() -> None:
    rows = pd.DataFrame(
        {
            "official_split": ["test", "test", "train", "train", "train", None, "dev"],
            "sentiment": [-3.0, 3.0, 0.0, 1 / 3, 0.34, -0.5, None],
        }
    )
    scores = scores_of(rows)
    assert list(scores) == ["train", "test", NO_PART]
    train = scores["train"]
    assert (train.negative, train.zero, train.positive, train.utterances) == (0, 1, 2, 3)
    assert dict(zip(train.centres, train.counts, strict=True))[0.0] == 1
    assert train.counts[10] == 2
    assert (scores["test"].counts[0], scores["test"].counts[-1], len(train.counts)) == (1, 1, 19)
    assert (scores["test"].mean, scores[NO_PART].negative) == (0.0, 1)


def test_a_corpus_without_sentiments_has_none() -> None:
    assert scores_of(pd.DataFrame({"official_split": ["train"], "sentiment": [None]})) == {}

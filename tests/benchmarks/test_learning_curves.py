from pathlib import Path

from benchmarks.learning_curves import part_of
from tests.classics.corpora import corpus_of_words, splits_of


def test_a_smaller_training_part_has_the_same_share_of_every_emotion_and_lies_within_the_larger(tmp_path: Path) -> None:
    manifest = corpus_of_words(tmp_path)
    whole = splits_of(manifest)
    parts = {share: part_of(whole, manifest, share=share) for share in (0.25, 0.5, 1.0)}
    assert parts[1.0].rows.equals(whole.rows)
    emotion = manifest.rows.set_index("utterance_id")["emotion"]
    trained = {}
    for share, splits in parts.items():
        rows = splits.rows
        others = rows[rows["part"] != "train"].reset_index(drop=True)
        assert others.equals(whole.rows[whole.rows["part"] != "train"].reset_index(drop=True))
        train = rows[rows["part"] == "train"]
        trained[share] = set(zip(train["fold"], train["utterance_id"], strict=True))
        counts = train.groupby(["fold", train["utterance_id"].map(emotion)]).size()
        full = whole.rows[whole.rows["part"] == "train"]
        of_all = full.groupby(["fold", full["utterance_id"].map(emotion)]).size()
        assert counts.tolist() == [-(-int(size * share * 4) // 4) for size in of_all]
        assert len(counts) > 4
    assert trained[0.25] < trained[0.5] < trained[1.0]
    assert len({splits.split_id for splits in parts.values()}) == 3

import pytest

from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import make_splits
from tests.corpus.splitting.five_sessions import changed, corpus_rows, manifest_of, params


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return manifest_of(corpus_rows())


def test_shared_words_are_reported_apart_for_scripted_and_improvised_turns(manifest: Manifest) -> None:
    for fold in make_splits(manifest, params=params()).folds:
        assert (fold.shared_text.scripted, fold.shared_text.improvised) == (1.0, 0.0)
        assert fold.shared_text.overall == pytest.approx(0.5)
    for fold in make_splits(manifest, params=params(improvised_only=True)).folds:
        assert (fold.shared_text.overall, fold.shared_text.scripted) == (0.0, None)


def test_turns_without_words_share_nothing_and_corpora_without_transcripts_have_no_figure() -> None:
    tags = make_splits(changed(lambda _: {"transcript": "[LAUGHTER]"}), params=params())
    assert tags.folds[0].shared_text.overall == 0.0
    none = make_splits(changed(lambda _: {"transcript": None}), params=params())
    assert none.folds[0].shared_text.overall is None
    unknown = make_splits(changed(lambda _: {"scripted": None}), params=params())
    assert unknown.folds[0].shared_text.overall == pytest.approx(0.5)
    assert (unknown.folds[0].shared_text.scripted, unknown.folds[0].shared_text.improvised) == (None, None)

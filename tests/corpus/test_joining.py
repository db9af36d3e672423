"""Several corpora in one manifest: names, links, classes, and splits that test the whole of one of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.taxonomy import TAXONOMIES, parse_taxonomy
from merflow.corpus.joining import check_scores, joined, link_corpora, shared_classes
from merflow.corpus.manifest import Manifest, read_manifest, recording_of, write_manifest
from merflow.corpus.readers.catalogue import reader, reader_of
from merflow.corpus.readers.iemocap import read_iemocap
from merflow.corpus.source import CorpusSource, named_sources
from merflow.corpus.splitting.splits import ids, make_splits
from merflow.corpus.splitting.summary import development_in_words
from merflow.errors import CorpusError, LabelError

ALL = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def corpora(tiny_release: Path) -> dict[str, Manifest]:
    """Return one release under two names; the second lacks the class neutral, and is a table."""
    first = replace(read_iemocap(tiny_release, taxonomy=TAXONOMIES["iemocap4"]), corpus="synthetic")
    rows = first.rows.assign(emotion=first.rows["emotion"].where(first.rows["emotion"].ne("neutral"), None))
    return {"one": first, "two": replace(first, rows=rows, corpus="table", accepted=("no-audio: some",))}


def test_only_classes_of_every_corpus_are_kept_and_the_rest_is_counted(
    corpora: dict[str, Manifest], tmp_path: Path
) -> None:
    classes = shared_classes(corpora)
    assert classes == ("angry", "happy", "sad")
    both = joined(corpora, train="one", test="two", task="emotion", classes=classes, root=tmp_path)
    assert both.classes == classes
    assert both.taxonomy.name == "iemocap4 without neutral"
    assert set(both.rows["emotion"].dropna()) == set(classes)
    assert both.joined is not None
    neutral = int(corpora["one"].rows["emotion"].eq("neutral").sum())
    assert both.joined.train.left_out == {"neutral": neutral}
    assert both.joined.train.share_left_out == neutral / corpora["one"].rows["emotion"].notna().sum()
    assert both.joined.test.left_out == {}
    assert both.joined.name == both.corpus == "one to two"
    assert both.accepted == ("no-audio: some (two)",)
    assert both.rows["corpus"].value_counts().to_dict() == {"one": 70, "two": 70}


def test_no_two_corpora_share_a_name_and_recordings_are_found_through_links(
    corpora: dict[str, Manifest], tmp_path: Path
) -> None:
    link_corpora(corpora, root=tmp_path / "roots")
    link_corpora(corpora, root=tmp_path / "roots")
    both = joined(corpora, train="one", test="two", task="emotion", classes=ALL, root=tmp_path / "roots")
    assert both.rows["utterance_id"].is_unique
    for column in ("utterance_id", "dialogue_id", "speaker", "session"):
        of_one, of_two = (set(both.rows.loc[both.rows["corpus"] == name, column]) for name in ("one", "two"))
        assert not of_one & of_two
        assert all(value.startswith("one:") for value in of_one)
    recordings = [recording_of(row, root=both.root) for row in both.rows.to_dict("records")]
    assert len(recordings) == 140
    assert all(isinstance(recording, Path) and recording.is_file() for recording in recordings)


def test_a_joined_manifest_is_the_same_on_every_machine_and_read_back_whole(
    corpora: dict[str, Manifest], tmp_path: Path
) -> None:
    here, there = (
        joined(corpora, train="one", test="two", task="emotion", classes=ALL, root=tmp_path / name)
        for name in ("here", "there")
    )
    assert here.hash == there.hash
    write_manifest(here, tmp_path / "manifest.parquet")
    assert read_manifest(tmp_path / "manifest.parquet").joined == here.joined


def test_the_whole_of_the_other_corpus_is_tested_and_development_data_are_of_the_first(
    corpora: dict[str, Manifest], params: Params, tmp_path: Path
) -> None:
    both = joined(corpora, train="two", test="one", task="emotion", classes=shared_classes(corpora), root=tmp_path)
    settings = params.splits.model_copy(
        update={"task": "emotion", "protocol": "cross-corpus", "development": "session", "min_dev_per_class": 1}
    )
    splits = make_splits(both, params=settings)
    labelled = both.rows[both.rows["emotion"].notna()]
    assert set(ids(splits, fold=1, part="test")) == set(labelled.loc[labelled["corpus"] == "one", "utterance_id"])
    dev, train = ids(splits, fold=1, part="dev"), ids(splits, fold=1, part="train")
    assert dev
    assert all(name.startswith("two:") for name in [*dev, *train])
    assert len(dev) + len(train) == int(labelled["corpus"].eq("two").sum())
    assert splits.folds[0].drawn is not None
    assert "session with at least 1 utterance of every class" in development_in_words(splits.folds, params=settings)
    wanted = settings.model_copy(update={"min_dev_per_class": 50})
    found = make_splits(both, params=wanted)
    assert found.folds[0].drawn is not None
    assert 1 < found.folds[0].drawn.per_class < 50
    assert f"with at least {found.folds[0].drawn.per_class} utterances of every class" in development_in_words(
        found.folds, params=wanted
    )
    moved = replace(both, rows=both.rows.assign(transcript="other"))
    assert make_splits(moved, params=settings).split_id == splits.split_id
    other = joined(corpora, train="one", test="two", task="emotion", classes=shared_classes(corpora), root=tmp_path)
    assert make_splits(other, params=settings).split_id != splits.split_id


def test_a_corpus_by_itself_keeps_its_protocols(corpora: dict[str, Manifest], params: Params, tmp_path: Path) -> None:
    alone = joined(corpora, train="one", test="one", task="emotion", classes=ALL, root=tmp_path)
    assert alone.corpus == "one"
    assert len(alone.rows) == 70
    assert reader_of(alone).protocols == reader("synthetic").protocols
    assert reader_of(alone).protocol == "session-5fold"
    drawn = {"task": "emotion", "development": "random", "random_share": 0.3}
    splits = make_splits(alone, params=params.splits.model_copy(update=drawn))
    assert splits.protocol == "session5-only"


def test_joined_corpora_have_the_terms_of_all_and_no_published_figures(
    corpora: dict[str, Manifest], tmp_path: Path
) -> None:
    both = joined(corpora, train="two", test="one", task="emotion", classes=ALL, root=tmp_path)
    kind = reader_of(both)
    assert kind.synthetic
    assert reader("synthetic").licence in kind.licence
    assert reader("table").licence in kind.licence
    assert kind.protocols == ("cross-corpus",)
    assert kind.protocol == "cross-corpus"
    assert not kind.published
    assert reader_of(corpora["one"]) == reader("synthetic")


def test_corpora_without_common_classes_are_refused(corpora: dict[str, Manifest]) -> None:
    first, rows = corpora["one"], corpora["one"].rows
    sad = replace(first, rows=rows.assign(emotion=rows["emotion"].where(rows["emotion"].eq("sad"), None)))
    with pytest.raises(LabelError, match=r"only the class sad of taxonomy iemocap4.*two has sad; map their labels"):
        shared_classes({"one": first, "two": sad})
    angry = replace(first, rows=rows.assign(emotion=rows["emotion"].where(rows["emotion"].eq("angry"), None)))
    with pytest.raises(LabelError, match="have no class of taxonomy"):
        shared_classes({"one": angry, "two": sad})
    own = parse_taxonomy({"classes": {"a": ["angry"], "b": ["happy"]}}, where="own", name="own")
    with pytest.raises(LabelError, match=r"one has taxonomy iemocap4 and two has own; index both with one"):
        shared_classes({"one": first, "two": replace(first, taxonomy=own)})


def test_a_corpus_without_the_score_is_named(corpora: dict[str, Manifest]) -> None:
    check_scores(corpora, task="valence")
    rows = corpora["two"].rows
    without = replace(corpora["two"], rows=rows.assign(valence=float("nan")))
    with pytest.raises(CorpusError, match="two has no value in the column 'valence'; choose a task"):
        check_scores({**corpora, "two": without}, task="valence")


def test_corpora_are_described_by_name_kind_and_root() -> None:
    assert named_sources(
        ["iemocap=here", "emodb:table=b.csv", "synthetic=tiny", "synthetic=tiny", "mine:synthetic"]
    ) == {
        "iemocap": CorpusSource("iemocap", Path("here")),
        "emodb": CorpusSource("table", Path("b.csv")),
        "synthetic": CorpusSource("synthetic", size="tiny"),
        "mine": CorpusSource("synthetic"),
    }


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["iemocp=here"], "unknown corpus 'iemocp'"),
        (["a b:table=here"], "does not describe a corpus; write"),
        (["=here"], "does not describe a corpus; write"),
        (["table=a.csv", "table=b.csv"], r"table stands for two corpora; .* for example table2:table=b.csv"),
        (["a:table=a.csv", "a:table=b.csv"], "a stands for two corpora"),
    ],
)
def test_a_wrong_description_says_how_to_write_it(texts: list[str], said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        named_sources(texts)

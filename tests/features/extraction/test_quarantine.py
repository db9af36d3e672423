"""Inputs that cannot be read or encoded are set aside with the reason, or end a strict extraction."""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError
from merflow.features.encoders.interface import Prepared
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.lite.text import LiteText
from merflow.features.extraction.reading_tasks import Preparation, PreparedInput, ShardInput
from merflow.features.extraction.stored_streams import Pace, StoredStream, extract_streams
from merflow.features.store.keyed import open_store
from tests.features.conftest import FRAMES, SPEECH, TEXT, MakeCorpus
from tests.features.extraction.changed_corpora import changed, truncate


def test_a_modality_that_the_corpus_lacks_is_named(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus(text=False)
    with pytest.raises(FeatureError) as caught:
        extract_streams(manifest, streams=(SPEECH, TEXT), profile=profile, store=tmp_path / "store", shard_utterances=4)
    for word in ("'text_layers'", "'table'", str(manifest.root), "'transcript'", "14 utterances"):
        assert word in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_a_bad_recording_is_quarantined_with_its_reason(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest, store = make_corpus(), tmp_path / "store"
    path = truncate(manifest, 3)
    stored = extract_streams(manifest, streams=(SPEECH, FRAMES, TEXT), profile=profile, store=store, shard_utterances=4)
    utterance = manifest.rows["utterance_id"][3]
    for one in stored[:2]:
        (quarantined,) = one.quarantined
        assert (quarantined.utterance_id, quarantined.role) == (utterance, one.stream.role)
        assert quarantined.reason.startswith(f"{path} is truncated")
        assert one.entries == 13
        index = open_store(store, feature_key(profile[one.stream.role], one.stream)).read_index(manifest.hash)
        assert index["steps"][3] == 0
        assert (index["steps"].drop(3) > 0).all()
    assert stored[2].quarantined == ()


def test_a_bad_recording_ends_a_strict_extraction(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    path = truncate(manifest, 3)
    with pytest.raises(FeatureError, match=rf"utterance {manifest.rows['utterance_id'][3]}: {path} is truncated"):
        extract_streams(
            manifest, streams=(SPEECH,), profile=profile, store=tmp_path / "store", shard_utterances=4, strict=True
        )


def test_no_readable_recording_at_all_is_an_error(make_corpus: MakeCorpus, profile: Profile, tmp_path: Path) -> None:
    manifest = make_corpus()
    for path in manifest.root.glob("*.wav"):
        path.unlink()
    with pytest.raises(FeatureError, match=r"none of the 14 audio inputs .* can be read; corpus_d0_00: no such rec"):
        extract_streams(manifest, streams=(SPEECH,), profile=profile, store=tmp_path / "store", shard_utterances=4)


def test_numbers_beyond_half_precision_are_quarantined(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile: Profile = {"text": EncoderSpec(name="lite-text", settings={"width": 48})}
    plain = LiteText.prepare

    def spoiled(encoder: LiteText, source: str) -> Prepared:
        values, cost = plain(encoder, source)
        return Prepared(values * 1e6 if "turn 2 of" in source else values, cost)

    monkeypatch.setattr(LiteText, "prepare", spoiled)
    manifest = make_corpus()

    def run(*, strict: bool) -> StoredStream:
        (stored,) = extract_streams(
            manifest,
            streams=(Stream("text"),),
            profile=profile,
            store=tmp_path / f"store{strict}",
            shard_utterances=4,
            strict=strict,
        )
        return stored

    stored = run(strict=False)
    assert [one.utterance_id for one in stored.quarantined] == ["corpus_d0_02", "corpus_d1_02"]
    assert {one.reason.partition(";")[0] for one in stored.quarantined} == {"its features are not finite in float16"}
    assert stored.entries == 10
    with pytest.raises(FeatureError, match=r"utterance corpus_d\d_02, text: its features are not finite in float16"):
        run(strict=True)


def test_an_input_that_the_encoder_refuses_does_not_take_its_batch_along(
    make_corpus: MakeCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile: Profile = {"text": EncoderSpec(name="lite-text", settings={"width": 48})}
    sizes: list[int] = []
    plain = LiteText.encode

    def picky(encoder: LiteText, batch: Sequence[Prepared]) -> list[np.ndarray]:
        sizes.append(len(batch))
        if any(len(one.values) > 7 for one in batch):
            raise FeatureError("longer than the encoder takes")
        return plain(encoder, batch)

    monkeypatch.setattr(LiteText, "encode", picky)
    manifest = changed(make_corpus(), "transcript", 4, "one two three four five six seven eight")
    (stored,) = extract_streams(
        manifest,
        streams=(Stream("text"),),
        profile=profile,
        store=tmp_path / "store",
        shard_utterances=100,
        pace=Pace(batch_cost={"text": 1000}),
    )
    assert [tuple(one) for one in stored.quarantined] == [("corpus_d0_04", "text", "longer than the encoder takes")]
    assert stored.entries == 11
    assert max(sizes) > 4


@dataclass(frozen=True)
class Deadly(Preparation):
    """Crashes at one of the inputs, as a decoder may."""

    def __call__(self, unit: Sequence[ShardInput]) -> Iterator[PreparedInput]:
        for ticket in unit:
            if ticket.source.utterance_id.endswith("d0_03"):
                os.kill(os.getpid(), signal.SIGSEGV)
            yield from super().__call__([ticket])


def test_an_input_at_which_readers_crash_is_quarantined(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, store = make_corpus(turns=12), tmp_path / "store"
    monkeypatch.setattr("merflow.features.extraction.filling.Preparation", Deadly)

    (stored,) = extract_streams(
        manifest, streams=(FRAMES,), profile=profile, store=store, shard_utterances=8, pace=Pace(workers=2)
    )
    ((utterance, role, reason),) = stored.quarantined
    assert (utterance, role, stored.entries) == ("corpus_d0_03", "speech", 23)
    assert reason.startswith(f"{manifest.root / 'd0_03.wav'}: a process that reads it ends by SIGSEGV, even if")

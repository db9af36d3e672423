from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.params import Transcripts
from merflow.contracts.presets import Profile
from merflow.contracts.streams import Stream, Transcript
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.keys import feature_key
from merflow.features.extraction.stored_streams import StoredStream, extract_streams
from merflow.features.extraction.transcript_choice import choose_transcripts
from merflow.jobs.store import summaries
from tests.features.conftest import FRAMES, MakeCorpus

TRUE, RECOGNIZED = Stream("text"), Stream("text", transcript="asr")


def with_texts(manifest: Manifest, **columns: list[str | None]) -> Manifest:
    values = {name: pd.array(texts, dtype="string").astype("str") for name, texts in columns.items()}
    return replace(manifest, rows=manifest.rows.assign(**values))


@pytest.fixture
def transcribed(make_corpus: MakeCorpus) -> Manifest:
    """Return a corpus with ASR transcripts, but none in the third turn and no result for the fourth."""
    manifest = make_corpus()
    texts: list[str | None] = [f"recognized {row}" for row in range(len(manifest.rows))]
    texts[2], texts[3] = "", None
    return with_texts(manifest, asr_transcript=texts)


def stored(manifest: Manifest, profile: Profile, store: Path, *streams: Stream) -> tuple[StoredStream, ...]:
    return extract_streams(manifest, streams=streams, profile=profile, store=store, shard_utterances=5)


@pytest.mark.parametrize(
    ("present", "parameter", "truth", "asr"),
    [
        ("truth asr", "auto", "truth", "asr"),
        ("truth", "auto", "truth", "truth"),
        ("asr", "auto", "asr", "asr"),
        ("", "auto", "truth", "asr"),
        ("truth asr", "truth", "truth", "truth"),
        ("truth asr", "asr", "asr", "asr"),
        ("truth", "asr", "asr", "asr"),
    ],
)
def test_kind_of_words_that_is_read_in_place_of_each_requested_kind(
    make_corpus: MakeCorpus, present: str, parameter: Transcripts, truth: Transcript, asr: Transcript
) -> None:
    manifest = make_corpus(turns=2)
    words: dict[str, list[str | None]] = {
        "truth": ["well", "", None, "no"],
        "asr": [None, "well", None, ""],
        "": [None, "", None, " "],
    }
    texts = {name: words[name if name in present.split() else ""] for name in ("truth", "asr")}
    choice = choose_transcripts(
        with_texts(manifest, transcript=texts["truth"], asr_transcript=texts["asr"]), transcripts=parameter
    )
    assert choice == {"truth": truth, "asr": asr}


def test_true_and_recognized_words_are_stored_apart(transcribed: Manifest, profile: Profile, tmp_path: Path) -> None:
    true, other = stored(transcribed, profile, tmp_path / "store", TRUE, RECOGNIZED)
    assert (true.entries, other.entries) == (12, 12)
    assert true.key == feature_key(profile["text"], TRUE).digest != other.key
    encoder = build_encoder(profile["text"], RECOGNIZED)
    names = transcribed.rows["utterance_id"]
    for stream, column in ((TRUE, "transcript"), (RECOGNIZED, "asr_transcript")):
        found = FeatureDataset(transcribed, list(names), streams=[stream], profile=profile, store=tmp_path / "store")
        batch = found.batch(range(len(names)))
        for row, text in enumerate(transcribed.rows[column]):
            present = batch.present["text"][row]
            if pd.isna(text) or not text:
                assert not present.any()
                continue
            (expected,) = encoder.encode([encoder.prepare(text)])
            assert np.array_equal(batch.features["text"][row][present], expected.astype(np.float16))
    assert sorted(one.transcript for one in summaries(tmp_path / "store")) == ["asr", "truth"]


def test_missing_recognized_words_are_an_error_that_names_the_command(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    with pytest.raises(FeatureError, match=r"has no 'asr_transcript' in any of its 14 .*`merflow data transcribe`"):
        stored(make_corpus(), profile, tmp_path / "store", FRAMES, RECOGNIZED)
    assert not (tmp_path / "store").exists()


def test_recordings_of_another_rate_are_refused_unless_they_may_be_resampled(
    make_corpus: MakeCorpus, profile: Profile, tmp_path: Path
) -> None:
    manifest = make_corpus()
    path = manifest.root / manifest.rows["audio_path"][3]
    soundfile.write(path, np.repeat(soundfile.read(path)[0][::2, None], 2, axis=1), 8_000)
    (strict,) = stored(manifest, profile, tmp_path / "strict", FRAMES)
    (quarantined,) = strict.quarantined
    assert quarantined.utterance_id == manifest.rows["utterance_id"][3]
    assert "has 8000 Hz, not 16000 Hz; convert it, set corpus.resample=true" in quarantined.reason
    (free,) = extract_streams(
        manifest, streams=[FRAMES], profile=profile, store=tmp_path / "free", shard_utterances=5, resample=True
    )
    assert (free.quarantined, free.entries) == ((), 14)

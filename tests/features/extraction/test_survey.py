from pathlib import Path

import numpy as np
import soundfile

from merflow.contracts.streams import Stream
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.mosei import read_mosei
from merflow.features.extraction.survey import sources_of
from merflow.features.extraction.utterance_inputs import read_recording


def test_an_utterance_is_cut_out_of_the_dialogues_recording(tiny_mosei: Path) -> None:
    manifest = read_mosei(tiny_mosei, taxonomy=taxonomy("iemocap4"))
    sources = sources_of(manifest, Stream("speech"), resample=False)
    assert len(sources) == len(manifest.rows) == 84
    for index in range(0, 84, 12):
        row = manifest.rows.loc[index]
        whole, rate_hz = soundfile.read(tiny_mosei / row["audio_path"], dtype="float32")
        expected = whole[round(row["start_s"] * rate_hz) : round(row["end_s"] * rate_hz)]
        assert sources[index].path == manifest.root / row["audio_path"]
        assert np.array_equal(read_recording(sources[index]), expected)

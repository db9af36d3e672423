from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merflow.contracts.streams import Stream
from merflow.corpus.manifest import build_manifest
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.extraction.stored_streams import extract_streams
from merflow.presets.profiles import shipped_profile
from tests.real_data import EMODB, EMODB_TABLE, needs_emodb

SPEECH = Stream("speech_layers", clip_s=5.0, skip_silence=True)


@needs_emodb
def test_utterance_means_of_real_speech_tell_emotions_of_unseen_speakers(tmp_path: Path) -> None:
    table = pd.read_csv(EMODB_TABLE, dtype=str)
    columns = ["utterance_id", "dialogue_id", "session", "speaker", "audio_path", "emotion"]
    rows = [dict(row, turn_index=0) for row in table[columns].to_dict("records")]
    manifest = build_manifest(rows, root=EMODB, corpus="table", taxonomy="iemocap4")
    profile = shipped_profile("lite").roles
    extract_streams(manifest, streams=(SPEECH,), profile=profile, store=tmp_path, shard_utterances=128)
    ids = manifest.rows["utterance_id"].tolist()
    dataset = FeatureDataset(manifest, ids, streams=(SPEECH,), profile=profile, store=tmp_path)
    means = np.stack([steps.mean(axis=0, dtype=np.float64).ravel() for steps in dataset.stored("speech_layers")])
    assert means.shape[0] == 339
    labels, session = manifest.rows["emotion"].to_numpy(), manifest.rows["session"].to_numpy()
    found = labels.copy()
    for held_out in np.unique(session):
        test = session == held_out
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000))
        found[test] = model.fit(means[~test], labels[~test]).predict(means[test])
    assert recall_score(labels, found, average="macro") > 0.75

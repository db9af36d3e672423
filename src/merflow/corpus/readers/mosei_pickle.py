"""Reader of the processed pickles of CMU-MOSEI, aligned and unaligned: labels and words, without recordings.

The features in the file are read when features are extracted with profile ``mosei``.
"""

from pathlib import Path

from merflow.contracts.taxonomy import Taxonomy
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.corpus.mosei_pickle import open_mosei_pickle
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK

_SESSION = "mosei"  # the corpus has no sessions


def read_mosei_pickle(root: Path, *, taxonomy: Taxonomy) -> Manifest:
    """Read a file into a manifest, whose root is the file itself.

    The file does not say who speaks: each video counts as a speaker of its own, and as a dialogue.

    Args:
        root: The file, ``aligned_50.pkl`` or ``unaligned_50.pkl``.
        taxonomy: Taxonomy of the manifest; no utterance has an emotion.

    Raises:
        CorpusError: The file is missing, is not a plain pickle, or is not CMU-MOSEI's.
    """
    file = open_mosei_pickle(root)
    rows = [
        {
            "utterance_id": clip.utterance_id,
            "dialogue_id": clip.video,
            "turn_index": clip.clip,
            "session": _SESSION,
            "speaker": clip.video,
            "transcript": clip.transcript,
            "official_split": clip.part,
            "sentiment": clip.sentiment,
        }
        for clip in file.clips
    ]
    corpus = "synthetic-mosei-pickle" if (root.parent / SYNTHETIC_MARK).is_file() else "mosei-pickle"
    return build_manifest(rows, root=root, corpus=corpus, taxonomy=taxonomy)

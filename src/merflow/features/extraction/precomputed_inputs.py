"""The utterances whose features came with the corpus, as inputs of an extraction.

Nothing is read to survey them. The digest of such an input names the utterance; the digest of the file is in the key of
the store, so the two together identify the features.
"""

import hashlib
from collections.abc import Sequence

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest
from merflow.features.encoders.precomputed import Precomputed, PrecomputedSettings
from merflow.features.extraction.survey import SurveyedInput, SurveyedInputs
from merflow.features.extraction.utterance_inputs import UtteranceInput, cut_of


def survey_precomputed(manifest: Manifest, streams: Sequence[Stream], *, spec: EncoderSpec) -> SurveyedInputs:
    """Return an input for every utterance of a manifest.

    Args:
        manifest: The corpus.
        streams: Streams that read the same array.
        spec: The encoder that passes the array on, bound to the corpus's file.

    Raises:
        FeatureError: The file does not have an utterance of the manifest.
        CorpusError: The file cannot be read.
    """
    encoder = Precomputed(PrecomputedSettings.model_validate(spec.settings), spec)
    cuts = tuple(dict.fromkeys(cut_of(stream) for stream in streams))
    utterances = manifest.rows["utterance_id"].astype(str).tolist()
    inputs = SurveyedInputs("precomputed", cuts, digests=[_digest(utterance) for utterance in utterances])
    for utterance in sorted(utterances, key=encoder.place):
        lengths = (encoder.steps(utterance),) * len(cuts)  # a step has no time, so no cut shortens it
        digest = _digest(utterance)
        inputs.unique[digest] = SurveyedInput(UtteranceInput(utterance), digest, 0.0, lengths)
    return inputs


def _digest(utterance: str) -> str:
    return hashlib.sha256(f"precomputed\n{utterance}".encode()).hexdigest()

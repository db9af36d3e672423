"""Transcripts from Whisper, through transformers.

Decisions:
    - Greedy or beam search, no sampling and no temperature fallback: the same recording gives the same text.
    - A recording longer than Whisper's window (30 s) is cut in its pauses (``speech_windows``) and the texts of the
      pieces are joined by a space. Pieces do not overlap, so that there is nothing to reconcile, and no timestamps are
      predicted, which would change what is heard in short recordings too.
    - Whisper pads every window to 30 s, so that batches of similar length do not spare the encoder anything; they keep
      the decoder from waiting for one long text.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merflow.contracts.params import TranscriptionParams
from merflow.corpus.samples import RATE_HZ
from merflow.corpus.transcription.speech_windows import windows
from merflow.corpus.transcription.whisper_folder import WhisperFolder
from merflow.errors import CorpusError, nearest
from merflow.storage.hub import json_object
from merflow.storage.local import digest

if TYPE_CHECKING:
    import torch

VERSION = 1  # of what this file makes of a recording; part of the identity under which texts are kept

_PROMPT_TOKENS = 4  # start of transcript, language, task, no timestamps


@dataclass(frozen=True)
class Normalizer:
    """What is done to texts before their words are compared: its name in words, and the function."""

    name: str
    apply: Callable[[str], str]


@dataclass(frozen=True)
class Prepared:
    """Log-mel windows of some recordings, made on the CPU.

    Attributes:
        features: ``(W, mel bands, frames)`` float32.
        counts: Windows of each recording; they add up to W.
    """

    features: "torch.Tensor"
    counts: tuple[int, ...]


class Whisper:
    """A Whisper model that transcribes; its weights are read when they are first needed.

    Raises:
        CorpusError: The language or the device is not to be had.
    """

    def __init__(self, folder: WhisperFolder, *, params: TranscriptionParams) -> None:
        import torch

        if params.device == "cuda" and not torch.cuda.is_available():
            raise CorpusError(
                "transcription.device is cuda, but torch sees no GPU; set transcription.device=auto or cpu"
            )
        on_gpu = params.device != "cpu" and torch.cuda.is_available()
        self.folder = folder
        self.params = params
        self.device = "cuda" if on_gpu else "cpu"
        self.dtype = params.dtype if params.dtype != "auto" else ("float16" if on_gpu else "float32")
        self.language = _language(folder, asked=params.language)

    @property
    def identity(self) -> str:
        """16 hexadecimal digits over all that decides a text besides the recording."""
        return digest(
            {
                "version": VERSION,
                "model": self.folder.digest,
                "language": self.language,
                "beams": self.params.beams,
                "max_new_tokens": self.params.max_new_tokens,
                "dtype": self.dtype,
            }
        )

    def prepare(self, recordings: Sequence[np.ndarray]) -> Prepared:
        """16 kHz mono recordings as log-mel windows; touches no weight, so that another thread may do it."""
        pieces = [windows(samples, longest=self._extractor.n_samples) for samples in recordings]
        made = self._extractor(
            [piece for found in pieces for piece in found], sampling_rate=RATE_HZ, return_tensors="pt"
        )
        return Prepared(made["input_features"], tuple(len(found) for found in pieces))

    def transcribe(self, prepared: Prepared) -> list[str]:
        """The text of each recording, with single spaces; empty where nothing was heard.

        Raises:
            CorpusError: The batch does not fit into the GPU's memory.
        """
        size = self.params.batch_size
        heard: list[str] = []
        for start in range(0, len(prepared.features), size):
            heard += self._generate(prepared.features[start : start + size])
        texts, first = [], 0
        for count in prepared.counts:
            texts.append(" ".join(" ".join(heard[first : first + count]).split()))
            first += count
        return texts

    def _generate(self, features: "torch.Tensor") -> list[str]:
        import torch

        asked = {"language": self.language, "task": "transcribe"} if self.folder.multilingual else {}
        room = int(self._model.config.max_target_positions) - _PROMPT_TOKENS
        try:
            with torch.inference_mode(), _quiet():
                tokens = self._model.generate(
                    features.to(self.device, getattr(torch, self.dtype)),
                    num_beams=self.params.beams,
                    do_sample=False,
                    max_new_tokens=min(self.params.max_new_tokens, room),
                    return_timestamps=False,
                    **asked,
                )
        except torch.OutOfMemoryError as error:
            raise CorpusError(
                f"{len(features)} windows do not fit into the GPU's memory; set transcription.batch_size below "
                f"{self.params.batch_size}, or transcription.beams below {self.params.beams}"
            ) from error
        texts: list[str] = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    @cached_property
    def _extractor(self) -> Any:  # noqa: ANN401 - loaded classes of transformers have loose types
        from transformers import WhisperFeatureExtractor

        return _loaded(WhisperFeatureExtractor, self.folder)

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401
        from transformers import WhisperTokenizer

        return _loaded(WhisperTokenizer, self.folder)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401
        import torch
        from transformers import WhisperForConditionalGeneration

        model, found = _loaded(
            WhisperForConditionalGeneration,
            self.folder,
            dtype=getattr(torch, self.dtype),
            attn_implementation="sdpa",
            use_safetensors=True,
            output_loading_info=True,
        )
        if lacking := sorted(found["missing_keys"]):
            raise CorpusError(
                f"the weights in {self.folder.path} lack {len(lacking)} tensor(s), {lacking[0]} first; "
                "download the model again"
            )
        _agree(model.config, extractor=self._extractor, tokenizer=self._tokenizer, folder=self.folder)
        return model.eval().to(self.device)


def text_normalizer(folder: WhisperFolder, *, language: str | None) -> Normalizer:
    """Whisper's own text normaliser: the English one for English, the basic one for any other language.

    Raises:
        CorpusError: The English one needs a spelling table that the folder lacks.
    """
    from transformers.models.whisper import english_normalizer

    rules: Any = english_normalizer
    if language != "en":
        return Normalizer("Whisper's BasicTextNormalizer", rules.BasicTextNormalizer())
    spellings = folder.path / "normalizer.json"
    if not spellings.is_file():
        raise CorpusError(
            f"{folder.path} lacks normalizer.json, the spelling table of Whisper's English text normaliser, without "
            "which word errors cannot be compared; copy it from where the model came from (every openai/whisper "
            "repository has it; transformers leaves it out when it saves a tokenizer)"
        )
    return Normalizer("Whisper's EnglishTextNormalizer", rules.EnglishTextNormalizer(json_object(spellings)))


def _language(folder: WhisperFolder, *, asked: str | None) -> str | None:
    """The language's code; None where a multilingual model is to find out by itself."""
    if not folder.multilingual:
        if asked not in (None, "en"):
            raise CorpusError(
                f"{folder.name} knows English alone, transcription.language is {asked!r}; take a multilingual model "
                "(a size without .en)"
            )
        return "en"
    if asked is not None and asked not in folder.languages:
        raise CorpusError(
            f"{folder.name} does not know transcription.language {asked!r} ({nearest(asked, folder.languages)}); "
            "null lets it find out by itself"
        )
    return asked


def _loaded(kind: Any, folder: WhisperFolder, **settings: Any) -> Any:  # noqa: ANN401
    """``kind.from_pretrained`` of a folder, without bars, and never from the network.

    Raises:
        CorpusError: A file is damaged, or does not fit its neighbours.
    """
    from safetensors import SafetensorError

    try:
        with _quiet():
            return kind.from_pretrained(folder.path, local_files_only=True, **settings)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise CorpusError(
            f"cannot load {kind.__name__} from {folder.path}: {error}; download the model again"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and warnings of transformers, which speak to those who write code with it."""
    from transformers import utils

    logging: Any = utils.logging
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _agree(config: Any, *, extractor: Any, tokenizer: Any, folder: WhisperFolder) -> None:  # noqa: ANN401
    """Raises CorpusError where files of different models lie in one folder."""
    pairs = (
        ("mel bands", "preprocessor_config.json", extractor.feature_size, config.num_mel_bins),
        ("frames a window", "preprocessor_config.json", extractor.nb_max_frames, 2 * config.max_source_positions),
        ("samples a second", "preprocessor_config.json", extractor.sampling_rate, RATE_HZ),
        ("tokens at most", "the tokenizer", max(len(tokenizer), config.vocab_size), config.vocab_size),
    )
    for what, where, found, expected in pairs:
        if found != expected:
            raise CorpusError(
                f"{folder.path}: {where} has {found} {what}, the model {expected}; the files are of different models: "
                "download the model again"
            )

"""Transcription with Whisper, through transformers.

Decisions:
    - Greedy or beam search, no sampling and no temperature fallback: the same recording always gives the same text.
    - A recording that is longer than Whisper's window (30 s) is cut in its pauses (``speech_windows``), and the texts
      of the pieces are joined by a space. Pieces don't overlap, so there is nothing to reconcile. No timestamps are
      predicted, because they would change the texts of short recordings, too.
    - Whisper pads every window to 30 s, so batches of similar length save the encoder nothing. They keep the decoder
      from waiting for one long text.
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

VERSION = 1  # raise it when this file gives other texts than before; part of the journal's key

_PROMPT_TOKENS = 4  # start of transcript, language, task, no timestamps


@dataclass(frozen=True)
class Normalizer:
    """A normalization of texts before their words are compared: its name and the function."""

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
        CorpusError: The model doesn't know the language, or the device is missing.
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
        """Digest, 16 hexadecimal digits, of everything that affects a text besides the recording."""
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
        """Turn 16 kHz mono recordings into log-mel windows; it needs no weights, so another thread may do it."""
        pieces = [windows(samples, longest=self._extractor.n_samples) for samples in recordings]
        made = self._extractor(
            [piece for recording in pieces for piece in recording], sampling_rate=RATE_HZ, return_tensors="pt"
        )
        return Prepared(made["input_features"], tuple(len(recording) for recording in pieces))

    def transcribe(self, prepared: Prepared) -> list[str]:
        """Return the text of each recording, with single spaces; it is empty if the model recognized no word.

        Raises:
            CorpusError: The batch does not fit into the GPU's memory.
        """
        size = self.params.batch_size
        windowed: list[str] = []
        for start in range(0, len(prepared.features), size):
            windowed += self._generate(prepared.features[start : start + size])
        texts, first = [], 0
        for count in prepared.counts:
            texts.append(" ".join(" ".join(windowed[first : first + count]).split()))
            first += count
        return texts

    def _generate(self, features: "torch.Tensor") -> list[str]:
        import torch

        prompt = {"language": self.language, "task": "transcribe"} if self.folder.multilingual else {}
        free_tokens = int(self._model.config.max_target_positions) - _PROMPT_TOKENS
        try:
            with torch.inference_mode(), _quiet():
                tokens = self._model.generate(
                    features.to(self.device, getattr(torch, self.dtype)),
                    num_beams=self.params.beams,
                    do_sample=False,
                    max_new_tokens=min(self.params.max_new_tokens, free_tokens),
                    return_timestamps=False,
                    **prompt,
                )
        except torch.OutOfMemoryError as error:
            raise CorpusError(
                f"{len(features)} windows don't fit into the GPU's memory; set transcription.batch_size below "
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

        model, loading = _loaded(
            WhisperForConditionalGeneration,
            self.folder,
            dtype=getattr(torch, self.dtype),
            attn_implementation="sdpa",
            use_safetensors=True,
            output_loading_info=True,
        )
        if missing := sorted(loading["missing_keys"]):
            raise CorpusError(
                f"the weights in {self.folder.path} lack {len(missing)} tensor(s), {missing[0]} first; "
                "download the model again"
            )
        _agree(model.config, extractor=self._extractor, tokenizer=self._tokenizer, folder=self.folder)
        return model.eval().to(self.device)


def text_normalizer(folder: WhisperFolder, *, language: str | None) -> Normalizer:
    """Return Whisper's own text normalizer: the English one for English, the basic one for any other language.

    Raises:
        CorpusError: The folder lacks the spelling table that the English one needs.
    """
    from transformers.models.whisper import english_normalizer

    rules: Any = english_normalizer
    if language != "en":
        return Normalizer("Whisper's BasicTextNormalizer", rules.BasicTextNormalizer())
    spellings = folder.path / "normalizer.json"
    if not spellings.is_file():
        raise CorpusError(
            f"{folder.path} lacks normalizer.json, the spelling table of Whisper's English text normalizer, which the "
            "word error rate needs; copy it from the model's repository (every openai/whisper repository has it; "
            "transformers leaves it out when it saves a tokenizer)"
        )
    return Normalizer("Whisper's EnglishTextNormalizer", rules.EnglishTextNormalizer(json_object(spellings)))


def _language(folder: WhisperFolder, *, asked: str | None) -> str | None:
    """Return the language's code; None lets a multilingual model detect it."""
    if not folder.multilingual:
        if asked not in (None, "en"):
            raise CorpusError(
                f"{folder.name} knows only English, but transcription.language is {asked!r}; choose a "
                "multilingual model (a size without .en)"
            )
        return "en"
    if asked is not None and asked not in folder.languages:
        raise CorpusError(
            f"{folder.name} doesn't know transcription.language {asked!r} ({nearest(asked, folder.languages)}); "
            "null lets it detect the language"
        )
    return asked


def _loaded(kind: Any, folder: WhisperFolder, **settings: Any) -> Any:  # noqa: ANN401
    """Call ``kind.from_pretrained`` on a folder, without progress bars and without the network.

    Raises:
        CorpusError: A file is damaged, or doesn't fit the others.
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
    """Silence the progress bars and warnings of transformers, which are meant for developers."""
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
    """Raise CorpusError if the folder mixes files of different models."""
    pairs = (
        ("mel bands", "preprocessor_config.json", extractor.feature_size, config.num_mel_bins),
        ("frames per window", "preprocessor_config.json", extractor.nb_max_frames, 2 * config.max_source_positions),
        ("samples per second", "preprocessor_config.json", extractor.sampling_rate, RATE_HZ),
        ("tokens at most", "the tokenizer", max(len(tokenizer), config.vocab_size), config.vocab_size),
    )
    for what, where, found, expected in pairs:
        if found != expected:
            raise CorpusError(
                f"{folder.path}: {where} has {found} {what}, but the model has {expected}; the folder mixes files of "
                "different models: download the model again"
            )

"""The results of predicting clips: an answer or the reason for a refusal per clip."""

from pydantic import FiniteFloat

from merflow.contracts.heard import Heard, ListeningModel
from merflow.contracts.strict import Strict


class ClipResult(Strict):
    """One clip.

    Attributes:
        clip: Its path, or its name in the table.
        duration_s: Length of its sound; None if it has none, or cannot be read.
        text: The words that the model read; None if there were none.
        heard: The prediction; None if there is none.
        refusal: The reason why there is none.
    """

    clip: str
    duration_s: FiniteFloat | None = None
    text: str | None = None
    heard: Heard | None = None
    refusal: str | None = None


class ClipResults(Strict):
    """All results of predicting clips.

    Attributes:
        model: The model.
        remark: The reason why the model is not calibrated; empty if it is.
        transcription: The recognizer of the words; None if words were not asked for.
        remembered: Clips whose prediction came from an earlier run.
        ignored: Files in the folders that are not media, judging by their names.
        clips: The clips, in order.
    """

    model: ListeningModel
    remark: str
    transcription: str | None
    remembered: int
    ignored: int
    clips: tuple[ClipResult, ...]

    @property
    def predicted(self) -> tuple[ClipResult, ...]:
        """The clips with a prediction."""
        return tuple(clip for clip in self.clips if clip.heard is not None)

    @property
    def refused(self) -> tuple[ClipResult, ...]:
        """The clips without a prediction."""
        return tuple(clip for clip in self.clips if clip.heard is None)

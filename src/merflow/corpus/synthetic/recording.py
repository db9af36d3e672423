"""Recording of a dialogue: two channels with both voices and the room, and the cut of each turn."""

from dataclasses import dataclass

import numpy as np

from merflow.corpus.synthetic.dialogue import Dialogue
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.voice import RATE_HZ, Syllable, speak, syllables

_CROSSTALK = 0.12  # share of a voice that reaches the other actor's microphone
_ROOM_DBFS = (-58.0, -50.0)


@dataclass(frozen=True)
class Recording:
    """The recording of a dialogue.

    Attributes:
        channels: ``(samples, 2)`` int16; left is the microphone of the actor with the markers.
        spoken: Syllables of each turn, in seconds from the start of the turn.
    """

    channels: np.ndarray
    spoken: dict[str, list[Syllable]]

    def cut(self, first_sample: int, samples: int) -> np.ndarray:
        """Return the ``(samples,)`` int16 of a turn: the mean of both channels, rounded down."""
        pair = self.channels[first_sample : first_sample + samples].astype(np.int32)
        return np.asarray((pair[:, 0] + pair[:, 1]) >> 1, dtype=np.int16)


def record(dialogue: Dialogue, *, seed: int) -> Recording:
    """Generate the recording; memory grows with its length, by about 16 bytes per sample."""
    rng = generator(seed, "room", str(dialogue.name))
    total = round(dialogue.duration_s * RATE_HZ) + 1
    level = 10 ** (float(generator(seed, "studio", str(dialogue.name.session)).uniform(*_ROOM_DBFS)) / 20)
    mix = rng.standard_normal((total, 2), dtype=np.float32) * np.float32(level)
    mix[1:] += np.float32(0.7) * mix[:-1]  # noise that is darker than white noise
    spoken = {}
    for turn in dialogue.turns:
        turn_rng = generator(seed, "sound", turn.utterance_id)
        spoken[turn.utterance_id] = syllables(turn.text, duration_s=turn.samples / RATE_HZ, rng=turn_rng)
        wave = speak(
            spoken[turn.utterance_id],
            samples=turn.samples,
            speaker=dialogue.actors[turn.letter],
            showing=turn.shows["voice"],
            seed=int(turn_rng.integers(2**31)),
        )
        own = 0 if turn.letter == dialogue.name.recording else 1
        cut = slice(turn.first_sample, turn.first_sample + turn.samples)
        mix[cut, own] += wave
        mix[cut, 1 - own] += np.float32(_CROSSTALK) * wave
    channels = np.clip(np.rint(mix * 32767.0), -32767, 32767).astype(np.int16)
    return Recording(channels, spoken)

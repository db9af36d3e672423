"""All conditions with their levels and limits.

The limits are merflow's own estimate of what a user would tolerate. ``allowed_drop`` is the UA that a change may cost;
``min_unchanged`` is the share of utterances whose predicted emotion should stay the same. They apply to CCC and scores
as well: CCC is 0 for a constant guess and 1 for a model that is always right. A change that leaves emotions as audible
as before (level, edges, a good codec) may cost 3 to 5 points. One that removes part of the signal (telephone, noise,
room) may cost more, depending on how much it removes. Wrong and missing inputs remove a whole source, and a model
should fall back on what is left. ``merflow.stress.thresholds`` adds a margin for chance in a finite sample.
"""

from collections.abc import Sequence
from importlib.util import find_spec

from merflow.contracts.streams import Modality
from merflow.errors import StressError, nearest
from merflow.stress.conditions.codec import MP3, OPUS, through
from merflow.stress.conditions.condition import Condition, Removal, SoundChange, WordsChange
from merflow.stress.conditions.edges import surrounded_by_silence, trimmed
from merflow.stress.conditions.level import amplified, clipped
from merflow.stress.conditions.noise import noisy
from merflow.stress.conditions.room import reverberant
from merflow.stress.conditions.telephone import telephone
from merflow.stress.conditions.tempo import spoken_at
from merflow.stress.conditions.words import none_at_all, of_other_emotions

# A lively office is about 20 dB below a speaker at a desk, a car or cafe 10 dB; at 0 dB listeners miss words.
_SNRS_DB = (20, 10, 0)
_NOISE_LIMITS = {20: (0.05, 0.80), 10: (0.10, 0.65), 0: (0.20, 0.45)}
# An ordinary meeting room (ISO 3382-2 measures 0.4 to 0.6 s in such rooms).
_RT60_S = 0.5
# One sample in twenty at the limit is clearly distorted.
_CLIPPED_SHARE = 0.05
# A microphone at ten times the distance, and a recording level ten times too high.
_GAIN_DB = 20
# People change their own rate by about a tenth between talks.
_RATES = (0.9, 1.1)
# A speech detector that opens late and closes early, and one that opens early and closes late.
_TRIMMED_S, _SILENCE_S = 0.2, 0.5

_AV = "av"


def _conditions() -> tuple[Condition, ...]:
    sound = SoundChange
    return (
        Condition(
            "telephone",
            "telephone",
            "300 to 3400 Hz, 8 kHz, mu-law",
            sound(telephone),
            allowed_drop=0.08,
            min_unchanged=0.70,
        ),
        *(
            Condition(
                f"noise-{snr}dB",
                "noise",
                f"pink noise {snr} dB below the speech" if snr else "pink noise as strong as the speech",
                sound(noisy(snr)),
                *_NOISE_LIMITS[snr],
            )
            for snr in _SNRS_DB
        ),
        Condition(
            "reverberation",
            "room",
            f"a room with {_RT60_S:g} s of reverberation",
            sound(reverberant(_RT60_S)),
            allowed_drop=0.10,
            min_unchanged=0.65,
        ),
        Condition(
            "clipping",
            "level",
            f"the loudest {100 * _CLIPPED_SHARE:g}% of samples clipped",
            sound(clipped(_CLIPPED_SHARE)),
            allowed_drop=0.05,
            min_unchanged=0.80,
        ),
        Condition(
            f"gain-minus-{_GAIN_DB}dB", "level", f"{_GAIN_DB} dB quieter", sound(amplified(-_GAIN_DB)), 0.03, 0.85
        ),
        Condition(
            f"gain-plus-{_GAIN_DB}dB",
            "level",
            f"{_GAIN_DB} dB louder, cut off at full scale",
            sound(amplified(_GAIN_DB)),
            allowed_drop=0.08,
            min_unchanged=0.70,
        ),
        *(
            Condition(
                f"codec-{name}",
                "codec",
                f"{words} at {codec.bits_per_s // 1000} kbit/s",
                sound(through(codec), needs=_AV),
                allowed_drop=0.05,
                min_unchanged=0.80,
            )
            for name, words, codec in (("opus", "Opus", OPUS), ("mp3", "MP3", MP3))
        ),
        *(
            Condition(
                f"rate-{rate:g}",
                "tempo",
                f"{'slower' if rate < 1 else 'faster'} speech: {rate:g} times the rate, same pitch",
                sound(spoken_at(rate)),
                allowed_drop=0.05,
                min_unchanged=0.80,
            )
            for rate in _RATES
        ),
        Condition(
            "trimmed-ends",
            "edges",
            f"{1000 * _TRIMMED_S:g} ms cut off at either end",
            sound(trimmed(_TRIMMED_S)),
            allowed_drop=0.05,
            min_unchanged=0.80,
        ),
        Condition(
            "silence-around",
            "edges",
            f"{_SILENCE_S:g} s of silence at either end",
            sound(surrounded_by_silence(_SILENCE_S)),
            allowed_drop=0.03,
            min_unchanged=0.85,
        ),
        Condition(
            "empty-transcript",
            "transcripts",
            "the words of the utterance unknown",
            WordsChange(none_at_all, leaves_nothing=True),
            allowed_drop=0.15,
            min_unchanged=0.55,
        ),
        Condition(
            "wrong-transcript",
            "transcripts",
            "the words of an utterance with another emotion",
            WordsChange(of_other_emotions),
            allowed_drop=0.25,
            min_unchanged=0.40,
            description_of_scores="the words of an utterance at another step of the scale",
        ),
        *(
            Condition(f"missing-{modality}", "missing", words, Removal(modality), allowed_drop=0.20, min_unchanged=0.45)
            for modality, words in _MISSING.items()
        ),
    )


_MISSING: dict[Modality, str] = {
    "audio": "no recordings",
    "text": "no words, nor those of the turns around it",
    "video": "no video",
}

CONDITIONS: tuple[Condition, ...] = _conditions()


def chosen(names: Sequence[str] | None) -> tuple[Condition, ...]:
    """Return the conditions with these names, in the order of the catalogue; None returns all.

    Raises:
        StressError: There is no such condition, or no name is given.
    """
    if names is None:
        return CONDITIONS
    known = {condition.name for condition in CONDITIONS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StressError(f"no such condition: {unknown[0]!r}; {nearest(unknown[0], known)}")
    if not names:
        raise StressError(f"no condition is named; leave --conditions out for all, or name some: {', '.join(known)}")
    return tuple(condition for condition in CONDITIONS if condition.name in names)


def installed(condition: Condition) -> bool:
    """Return True if the package that the condition needs is installed."""
    return not isinstance(condition.change, SoundChange) or not condition.change.needs or _found(condition.change.needs)


def _found(package: str) -> bool:
    return find_spec(package) is not None

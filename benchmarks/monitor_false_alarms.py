"""Error rates of ``merflow monitor``, by simulation: windows of a made-up model in use, again and again.

Reference and window are drawn from the same population, so that every alarm is a false one, or from one with a planted
shift. A second table draws whole speakers, each with a level, a pace and an ease of their own, which the tests do not
know of. The same is done for a model of scores::

    python -m benchmarks.monitor_false_alarms

Shapes: n clips, C classes.
"""

import argparse
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product

import numpy as np
from scipy.special import betaincinv

from benchmarks.record import write_result
from merflow.contracts.heard import ScoreScale
from merflow.contracts.task import EMOTION, TaskName
from merflow.evaluation.drift import ALPHA
from merflow.monitoring.checks import compare
from merflow.monitoring.samples import Sample

SCALE = ScoreScale(task="sentiment", low=-3, high=3)
CLASSES = ("angry", "happy", "neutral", "sad")
REFERENCE_CLIPS = 2000
_PROMISED = 0.9


@dataclass(frozen=True)
class Population:
    """A made-up population of clips and a model's answers.

    Attributes:
        louder_db: Gain of all recordings.
        longer: Factor of all durations.
        shares: Shares of the true classes.
        skill: Logit of the true class.
        clips_per_speaker: Clips in a row that are of one speaker; 1 for independent clips.
    """

    louder_db: float = 0.0
    longer: float = 1.0
    shares: Sequence[float] = (0.2, 0.3, 0.3, 0.2)
    skill: float = 2.5
    clips_per_speaker: int = 1

    def draw(self, random: np.random.Generator, *, clips: int, threshold: float, labelled: float) -> Sample:
        """Return a sample; a share of it has labels."""
        varied = partial(_varied, random, np.arange(clips) // self.clips_per_speaker)
        truth = random.choice(len(CLASSES), size=clips, p=self.shares)
        logits = random.normal(0, 1.2, size=(clips, len(CLASSES)))
        logits[np.arange(clips), truth] += self.skill + varied(0.5, 0.1)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        durations = self.longer * np.exp(1.3 + varied(0.2, 0.55))
        sets = probabilities >= threshold
        predicted = probabilities.argmax(axis=1)
        known = random.random(clips) < labelled
        count = int(known.sum())
        return Sample(
            clips=clips,
            numbers={
                "duration_s": durations,
                "level_dbfs": -27 + self.louder_db + varied(2.5, 3.0),
                "words": random.poisson(2.2 * durations).astype(np.float64),
                "confidence": probabilities.max(axis=1),
            },
            predicted=np.bincount(predicted, minlength=len(CLASSES)),
            abstained=int((sets.sum(axis=1) != 1).sum()),
            right=(int((predicted == truth)[known].sum()), count) if count else None,
            covered=(int(sets[np.arange(clips), truth][known].sum()), count) if count else None,
        )


@dataclass(frozen=True)
class ScorePopulation:
    """The same for a model of sentiment, whose scores shrink to the middle and miss.

    Attributes:
        louder_db: Gain of all recordings.
        longer: Factor of all durations.
        truth: Mean of the true scores.
        shift: Moves all scores.
        error: Standard deviation of the error.
        clips_per_speaker: Clips in a row that are of one speaker; 1 for independent clips.
    """

    louder_db: float = 0.0
    longer: float = 1.0
    truth: float = 0.3
    shift: float = 0.0
    error: float = 0.7
    clips_per_speaker: int = 1

    def draw(self, random: np.random.Generator, *, clips: int, threshold: float, labelled: float) -> Sample:
        """Return a sample; ``threshold`` is half the width of an interval, and a share of the clips has labels."""
        varied = partial(_varied, random, np.arange(clips) // self.clips_per_speaker)
        truth = np.clip(np.rint(3 * (self.truth + varied(0.3, 1.0))) / 3, SCALE.low, SCALE.high)
        scores = 0.1 + 0.7 * truth + self.shift + self.error * varied(0.3, 0.95)
        durations = self.longer * np.exp(1.3 + varied(0.2, 0.55))
        middle = np.clip(scores, SCALE.low, SCALE.high)
        low, high = (np.clip(middle + side * threshold, SCALE.low, SCALE.high) for side in (-1, 1))
        known = random.random(clips) < labelled
        count = int(known.sum())
        return Sample(
            clips=clips,
            numbers={
                "duration_s": durations,
                "level_dbfs": -27 + self.louder_db + varied(2.5, 3.0),
                "words": random.poisson(2.2 * durations).astype(np.float64),
                "score": scores,
                "width": high - low,
            },
            predicted=None,
            abstained=int(((low <= SCALE.middle) & (SCALE.middle <= high)).sum()),
            covered=(int(((low <= truth) & (truth <= high))[known].sum()), count) if count else None,
            errors=np.abs(scores - truth)[known] if count else None,
        )


def _varied(random: np.random.Generator, speakers: np.ndarray, own: float, within: float) -> np.ndarray:
    """Return deviations of which a part is the speaker's; with independent clips, of the same variance."""
    return np.asarray(
        random.normal(0, own, size=speakers.max() + 1)[speakers] + random.normal(0, within, len(speakers))
    )


SHIFTS: dict[str, Population | ScorePopulation] = {
    "none": Population(),
    "louder by 1 dB": Population(louder_db=1),
    "louder by 3 dB": Population(louder_db=3),
    "a fifth longer": Population(longer=1.2),
    "half longer": Population(longer=1.5),
    "other shares": Population(shares=(0.55, 0.15, 0.2, 0.1)),
    "a model that is right less often": Population(skill=1.4),
}
SCORE_SHIFTS: dict[str, Population | ScorePopulation] = {
    "none": ScorePopulation(),
    "louder by 3 dB": ScorePopulation(louder_db=3),
    "scores lower by 0.2": ScorePopulation(shift=-0.2),
    "scores lower by 0.6": ScorePopulation(shift=-0.6),
    "other people": ScorePopulation(truth=-0.7),
    "errors larger by half": ScorePopulation(error=1.05),
}


@cache
def half_width_of() -> float:
    """Return half the width at which the intervals hold the true score as often as promised."""
    sample = ScorePopulation().draw(np.random.default_rng(5), clips=20_000, threshold=0, labelled=1)
    assert sample.errors is not None
    return float(np.quantile(sample.errors, _PROMISED))


@cache
def threshold_of() -> float:
    """Return the threshold at which the sets hold the true class as often as promised."""
    clips = 20_000
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        covered = Population().draw(np.random.default_rng(5), clips=clips, threshold=middle, labelled=1).covered
        assert covered is not None
        low, high = (middle, high) if covered[0] / covered[1] > _PROMISED else (low, middle)
    return (low + high) / 2


def alarm_rate(
    shift: str, *, clips: int, windows: int, seed: int, clips_per_speaker: int = 1, scores: bool = False
) -> tuple[int, int]:
    """Return the number of windows that alarm, and of all windows; each has a reference of its own."""
    random = np.random.default_rng(seed)
    threshold, shifts = (half_width_of(), SCORE_SHIFTS) if scores else (threshold_of(), SHIFTS)
    known = {"classes": (), "scale": SCALE} if scores else {"classes": CLASSES}
    healthy, shifted = (replace(each, clips_per_speaker=clips_per_speaker) for each in (shifts["none"], shifts[shift]))
    alarms = 0
    for _ in range(windows):
        reference = healthy.draw(random, clips=REFERENCE_CLIPS, threshold=threshold, labelled=1)
        window = shifted.draw(random, clips=clips, threshold=threshold, labelled=0.3)
        alarms += compare(reference, window, promised=_PROMISED, min_clips=100, **known).drifted
    return alarms, windows


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        task: The task of the model.
        shift: The planted shift.
        clips: Clips per window.
        clips_per_speaker: Clips of each speaker.
        stated: What the rate should be.
        alarms: Windows that alarmed.
        windows: All windows.
    """

    task: TaskName
    shift: str
    clips: int
    clips_per_speaker: int
    stated: str
    alarms: int
    windows: int

    @property
    def ci95(self) -> tuple[float, float]:
        """Exact binomial interval of the rate (Clopper and Pearson 1934)."""
        hits, windows = self.alarms, self.windows
        low = betaincinv(hits, windows - hits + 1, 0.025) if hits else 0.0
        high = betaincinv(hits + 1, windows - hits, 0.975) if hits < windows else 1.0
        return float(low), float(high)


def rows(windows: int) -> Iterator[Row]:
    """Yield the rows; each has draws of its own."""
    tasks: dict[TaskName, tuple[str, ...]] = {EMOTION: tuple(SHIFTS), SCALE.task: tuple(SCORE_SHIFTS)}
    for (task, shifts), clips_per_speaker, clips in product(tasks.items(), (1, 25), (100, 300, 1000)):
        for shift in shifts if clips_per_speaker == 1 else ("none",):
            some = windows if shift == "none" else windows // 4
            seed = zlib.crc32(f"{shift} {clips} {clips_per_speaker}".encode())
            alarms, of = alarm_rate(
                shift,
                clips=clips,
                windows=some,
                seed=seed,
                clips_per_speaker=clips_per_speaker,
                scores=task != EMOTION,
            )
            stated = "power" if shift != "none" else f"≤ {ALPHA:g}" if clips_per_speaker == 1 else "none stated"
            yield Row(task, shift, clips, clips_per_speaker, stated, alarms, of)


def main() -> None:
    """Print the table and write ``benchmarks/results/monitor_false_alarms.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=1000, help="windows without a shift; a fourth of it with one")
    table = []
    for row in rows(parser.parse_args().windows):
        low, high = row.ci95
        table.append({**asdict(row), "rate": row.alarms / row.windows, "ci95": [low, high]})
        print(
            f"{row.task:10} {row.shift:34} {row.clips:5} clips, {row.clips_per_speaker:2} per speaker, {row.stated:12} "
            f"{row.alarms / row.windows:6.3f}  [{low:.3f}, {high:.3f}]  {row.windows} windows",
            flush=True,
        )
    write_result("monitor_false_alarms", {"rows": table})


if __name__ == "__main__":
    main()

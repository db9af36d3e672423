"""Public counts of CMU-MOSEI as papers use it: 22,856 labelled utterances in an official split.

They come from a public list of labels. They contain no labelled utterance, no transcript and no audio of the corpus.
"""

from typing import NamedTuple

from merflow.contracts.protocols import Part


class PartCounts(NamedTuple):
    """Counts of one part of the official split.

    Attributes:
        utterances: Labelled utterances.
        videos: Videos that they come from; no video is in two parts.
        negative: Utterances with a sentiment below 0.
        zero: Utterances with a sentiment of exactly 0.
        positive: Utterances with a sentiment above 0.
        rounded: Utterances by sentiment rounded to -3, -2, ... 3, halves to even.
    """

    utterances: int
    videos: int
    negative: int
    zero: int
    positive: int
    rounded: tuple[int, int, int, int, int, int, int]


MOSEI_COUNTS: dict[Part, PartCounts] = {
    "train": PartCounts(16_326, 2_249, 4_738, 3_540, 8_048, (311, 1_305, 2_039, 6_798, 4_117, 1_549, 207)),
    "dev": PartCounts(1_871, 300, 506, 433, 932, (24, 110, 244, 835, 470, 169, 19)),
    "test": PartCounts(4_659, 676, 1_350, 1_025, 2_284, (70, 399, 554, 1_927, 1_228, 440, 41)),
}

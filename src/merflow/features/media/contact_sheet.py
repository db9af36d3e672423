"""One utterance on one sheet: its metadata, frames, waveform, log-mel spectrogram and transcript.

Matplotlib is used without pyplot, so there is no global state and no display.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from merflow.corpus.samples import RATE_HZ
from merflow.features.media.spectrogram import log_mel, mel_frequencies

FRAMES = 8

_INK, _SOFT, _LINE, _BLUE = "#1c2430", "#667085", "#d5dbe5", "#0072B2"
_WIDTH_IN = 12.0
_FACTS_AT_IN = (0.0, 2.15, 4.1, 7.3)
_BANDS = 64
_WRAP = 112  # characters per line
_SCALES = ("valence", "activation", "dominance")


@dataclass(frozen=True)
class Pictures:
    """Frames ``(F, H, W, 3)`` uint8 and their start times, ``(F,)`` seconds from the utterance's start."""

    frames: np.ndarray
    times_s: np.ndarray
    caption: str


@dataclass(frozen=True)
class Specimen:
    """The content of a sheet; a string instead of samples or pictures is the reason why there are none.

    Attributes:
        title: The utterance's id.
        facts: Metadata by name, shown in rows of four.
        ratings: The known ones of valence, activation and dominance, between 1 and 5.
        samples: ``(n,)`` at 16 kHz.
        texts: Transcripts by their source.
    """

    title: str
    facts: Mapping[str, str]
    ratings: Mapping[str, float]
    samples: np.ndarray | str
    pictures: Pictures | str
    texts: Mapping[str, str]


def contact_sheet(specimen: Specimen) -> Figure:
    """Draw the sheet, 12 inches wide."""
    lines = _lines(specimen.texts)
    words_in = 0.1 + 0.24 * len(lines)
    sheet = _Sheet(height_in=7.1 + words_in)
    sheet.figure.text(0.25 / 12, 1 - 0.42 / sheet.height_in, specimen.title, fontsize=17, weight="bold", color=_INK)
    _show_facts(sheet.panel(0.25, 0.65, 8.5, 0.9), specimen.facts)
    _show_ratings(sheet.panel(9.7, 0.35, 2.05, 0.85), specimen.ratings)
    _show_pictures(sheet, specimen.pictures, top_in=1.95)
    wave = sheet.panel(0.8, 3.35, 10.95, 1.1)
    spectrum = sheet.panel(0.8, 4.55, 10.95, 1.9)
    _show_sound(wave, spectrum, specimen)
    _show_texts(sheet.panel(0.25, 7.0, 11.5, words_in), lines)
    return sheet.figure


class _Sheet:
    """A figure whose panels are placed in inches from its left and top edges."""

    def __init__(self, *, height_in: float) -> None:
        self.height_in = height_in
        self.figure = Figure(figsize=(_WIDTH_IN, height_in), facecolor="white")
        FigureCanvasAgg(self.figure)

    def panel(self, left_in: float, top_in: float, width_in: float, height_in: float) -> Axes:
        bottom = (self.height_in - top_in - height_in) / self.height_in
        return self.figure.add_axes((left_in / _WIDTH_IN, bottom, width_in / _WIDTH_IN, height_in / self.height_in))


def _show_facts(axes: Axes, facts: Mapping[str, str]) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 8.5), ylim=(0.9, 0))  # inches
    for index, (word, value) in enumerate(facts.items()):
        x, y = _FACTS_AT_IN[index % len(_FACTS_AT_IN)], 0.45 * (index // len(_FACTS_AT_IN))
        axes.text(x, y, word, color=_SOFT, fontsize=8.5, va="top")
        axes.text(x, y + 0.15, value, color=_INK, fontsize=10.5, va="top", parse_math=False)


def _show_ratings(axes: Axes, ratings: Mapping[str, float]) -> None:
    if not ratings:
        _show_reason(axes, "no ratings")
        return
    rows = [_SCALES.index(name) for name in ratings]
    axes.hlines(rows, 1, 5, color=_LINE, linewidth=4, zorder=1)
    axes.scatter(list(ratings.values()), rows, color=_BLUE, s=46, zorder=2)
    for name, row in zip(ratings, rows, strict=True):
        axes.text(5.25, row, f"{ratings[name]:.2f}", va="center", fontsize=9, color=_INK)
    axes.set(xlim=(0.8, 6.1), ylim=(2.6, -0.6), yticks=range(3), xticks=(1, 3, 5))
    axes.set_yticklabels(_SCALES, fontsize=9)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_SOFT)


def _show_pictures(sheet: _Sheet, pictures: Pictures | str, *, top_in: float) -> None:
    if isinstance(pictures, str):
        _show_reason(sheet.panel(0.25, top_in, 11.5, 0.95), pictures)
        return
    shown = chosen_frames(len(pictures.frames))
    height, width = pictures.frames.shape[1:3]
    cell = min(11.5 / FRAMES - 0.06, 0.95 * width / height)
    for column, index in enumerate(shown):
        axes = sheet.panel(0.25 + column * (cell + 0.06), top_in, cell, cell * height / width)
        axes.imshow(pictures.frames[index], interpolation="antialiased", aspect="auto")
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"{pictures.times_s[index]:.2f} s", fontsize=9, color=_INK, labelpad=3)
        if not column:
            axes.set_title(pictures.caption, loc="left", fontsize=9, color=_SOFT)


def chosen_frames(count: int) -> list[int]:
    """Return the indices of up to eight of ``count`` frames, evenly spread from the first to the last."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, FRAMES)).tolist()})


def _show_sound(wave: Axes, spectrum: Axes, specimen: Specimen) -> None:
    samples = specimen.samples
    if isinstance(samples, str):
        _show_reason(wave, samples)
        _show_reason(spectrum, "no log-mel spectrogram")
        return
    seconds = len(samples) / RATE_HZ
    wave.plot(np.arange(len(samples)) / RATE_HZ, samples, color=_BLUE, linewidth=0.4)
    reach = max(float(np.abs(samples).max()) * 1.08, 1e-4)
    wave.set(xlim=(0, seconds), ylim=(-reach, reach), ylabel="waveform")
    mel = log_mel(samples, bands=_BANDS)
    spectrum.imshow(
        mel.T, origin="lower", aspect="auto", cmap="magma", vmin=-80, vmax=0, extent=(0, seconds, 0, _BANDS)
    )
    ticks = (250, 500, 1000, 2000, 4000)
    spectrum.set_yticks(
        np.interp(ticks, mel_frequencies(_BANDS + 2), np.arange(_BANDS + 2) - 0.5), labels=[f"{t:,}" for t in ticks]
    )
    spectrum.set(xlim=(0, seconds), xlabel="seconds from the utterance's start", ylabel="log-mel (Hz)")
    for axes in (wave, spectrum):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8.5, colors=_SOFT, labelbottom=axes is spectrum)
        axes.xaxis.label.set(color=_SOFT, fontsize=9)
        axes.yaxis.label.set(color=_SOFT, fontsize=9)
        axes.yaxis.set_label_coords(-0.052, 0.5)  # aligned, however wide the numbers
    if isinstance(specimen.pictures, Pictures):
        for index in chosen_frames(len(specimen.pictures.frames)):
            wave.axvline(specimen.pictures.times_s[index], color=_INK, linewidth=0.7, linestyle=":")


def _show_texts(axes: Axes, lines: Sequence[tuple[str, str]]) -> None:
    axes.set_axis_off()
    for row, (word, line) in enumerate(lines):
        y = 1.0 - row / len(lines)
        axes.text(0.0, y, word, color=_SOFT, fontsize=9, va="top", transform=axes.transAxes)
        axes.text(0.08, y, line, color=_INK, fontsize=11.5, va="top", transform=axes.transAxes, parse_math=False)


def _lines(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Wrap the transcripts; the name of each stands before its first line."""
    lines = []
    for word, text in texts.items():
        wrapped = textwrap.wrap(text, _WRAP) or ["(empty)"]
        lines += [(word, wrapped[0]), *(("", line) for line in wrapped[1:])]
    return lines or [("transcript", "this corpus has no transcripts")]


def _show_reason(axes: Axes, reason: str) -> None:
    """Write the reason into an empty panel."""
    axes.set(xticks=(), yticks=(), facecolor="#f6f7f9")
    axes.spines[:].set_color(_LINE)
    axes.text(
        0.5, 0.5, textwrap.fill(reason, _WRAP), ha="center", va="center", color=_SOFT, fontsize=10,
        transform=axes.transAxes, parse_math=False,
    )  # fmt: skip

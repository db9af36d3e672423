"""Variants, folds and seeds by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from merflow.contracts.presets import Preset, UserPresets, parse_variant
from merflow.contracts.protocols import Protocol
from merflow.errors import PresetError
from merflow.presets import catalogue

FOLDS: dict[Protocol, int] = {"session-5fold": 5, "speaker-10fold": 10, "session5-only": 1}


@dataclass(frozen=True)
class FoldId:
    """One training: a fold of a variant with a seed; as text ``model:preset:fold:seed``, a seed of 0 left out.

    Attributes:
        variant: ``model:preset``.
        fold: Counted from 1.
    """

    variant: str
    fold: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.variant}:{self.fold}" + (f":{self.seed}" if self.seed else "")

    @property
    def folder(self) -> str:
        """The name of its folder below that of the variant."""
        return f"fold-{self.fold}" + (f"-seed-{self.seed}" if self.seed else "")


def chosen(variants: Sequence[str], user_presets: UserPresets | None = None) -> tuple[Preset, ...]:
    """The presets of these variants.

    Raises:
        PresetError: None given, one given twice, or one unknown.
    """
    if not variants:
        raise PresetError("no variant given; name at least one, for example context-mmt:mmt-frozen")
    twice = {variant for variant in variants if list(variants).count(variant) > 1}
    if twice:
        raise PresetError(f"variant given twice: {', '.join(sorted(twice))}")
    return tuple(catalogue.preset(variant, user_presets) for variant in variants)


def read_video(variants: Sequence[str], user_presets: UserPresets | None = None) -> bool:
    """Whether one of these variants reads video, so that a synthetic corpus is drawn with it."""
    return any("video" in preset.inputs for preset in chosen(variants, user_presets))


def plan(
    variants: Sequence[str],
    *,
    protocol: Protocol,
    profile: str,
    seeds: Sequence[int],
    user_presets: UserPresets | None = None,
) -> list[str]:
    """Every training of a benchmark as an :class:`Item`'s text; checks every name before anything runs."""
    catalogue.profile(profile)
    folds = range(1, FOLDS[protocol] + 1)
    return [
        str(FoldId(preset.variant, fold, seed))
        for preset in chosen(variants, user_presets)
        for seed in seeds
        for fold in folds
    ]


def parse_fold_id(item: str) -> FoldId:
    """``"context-mmt:mmt-frozen:3"``, or with a seed ``"context-mmt:mmt-frozen:3:1"``, as an item.

    Raises:
        PresetError: The text is not of that form.
    """
    words = item.split(":")
    numbers = words[2:]
    if len(numbers) not in (1, 2) or not all(number.isdecimal() for number in numbers):
        raise PresetError(
            f"{item!r} names no fold; write model:preset:fold, for example context-mmt:mmt-frozen:3, or with a seed "
            "model:preset:fold:seed"
        )
    variant = ":".join(words[:2])
    parse_variant(variant)
    return FoldId(variant, *map(int, numbers))

"""Variants by name, and the training runs in a benchmark of them."""

from collections.abc import Sequence

from merflow.contracts.fold_id import FoldId
from merflow.contracts.presets import Preset, UserPresets
from merflow.errors import PresetError
from merflow.presets import catalogue


def chosen(variants: Sequence[str], user_presets: UserPresets | None = None) -> tuple[Preset, ...]:
    """Return the presets of these variants.

    Raises:
        PresetError: No variant is given, or one is given twice or unknown.
    """
    if not variants:
        raise PresetError("no variant given; name at least one, for example context-mmt:mmt-frozen")
    twice = {variant for variant in variants if list(variants).count(variant) > 1}
    if twice:
        raise PresetError(f"variant given twice: {', '.join(sorted(twice))}")
    return tuple(catalogue.preset(variant, user_presets) for variant in variants)


def read_video(variants: Sequence[str], user_presets: UserPresets | None = None) -> bool:
    """Return True if one of these variants reads video, so that a synthetic corpus needs it."""
    return any("video" in preset.inputs for preset in chosen(variants, user_presets))


def folds_of(variants: Sequence[str], *, folds: int, seeds: Sequence[int]) -> list[str]:
    """Return every training run of a benchmark as the text of its :class:`FoldId`.

    The first fold of every variant comes before the second fold of any, so that an unfinished benchmark covers all
    variants, and the remaining time can be estimated from the elapsed time.

    Args:
        variants: ``model:preset`` each.
        folds: Number of folds of the splits.
        seeds: Seeds that every fold is trained with.
    """
    numbers = range(1, folds + 1)
    return [str(FoldId(variant, fold, seed)) for seed in seeds for fold in numbers for variant in variants]

"""Variants and folds by name."""

from collections.abc import Sequence

from merflow.contracts.errors import PresetError
from merflow.contracts.presets import Preset, parse_variant
from merflow.contracts.protocols import Protocol
from merflow.presets import catalogue

FOLDS: dict[Protocol, int] = {"session-5fold": 5, "speaker-10fold": 10, "session5-only": 1}


def chosen(variants: Sequence[str]) -> tuple[Preset, ...]:
    """The presets of these variants.

    Raises:
        PresetError: None given, one given twice, or one unknown.
    """
    if not variants:
        raise PresetError("no variant given; name at least one, for example context-mmt:mmt-frozen")
    twice = {variant for variant in variants if list(variants).count(variant) > 1}
    if twice:
        raise PresetError(f"variant given twice: {', '.join(sorted(twice))}")
    return tuple(catalogue.preset(variant) for variant in variants)


def plan(variants: Sequence[str], *, protocol: Protocol, profile: str) -> list[str]:
    """One item a fold to train, ``model:preset:fold``; checks every name before anything runs."""
    catalogue.profile(profile)
    return [f"{preset.variant}:{fold}" for preset in chosen(variants) for fold in range(1, FOLDS[protocol] + 1)]


def parse_item(item: str) -> tuple[str, int]:
    """``"context-mmt:mmt-frozen:3"`` as variant and fold.

    Raises:
        PresetError: The item is not of that form.
    """
    variant, _, fold = item.rpartition(":")
    if not fold.isdecimal():
        raise PresetError(f"{item!r} names no fold; write model:preset:fold, for example context-mmt:mmt-frozen:3")
    parse_variant(variant)
    return variant, int(fold)

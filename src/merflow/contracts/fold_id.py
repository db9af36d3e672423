"""The name of one training run: a variant, a fold and a seed."""

from dataclasses import dataclass

from merflow.contracts.presets import parse_variant
from merflow.errors import PresetError


@dataclass(frozen=True)
class FoldId:
    """One training run: a fold of a variant with a seed; as text ``model:preset:fold:seed``, where seed 0 is omitted.

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


def parse_fold_id(text: str) -> FoldId:
    """Parse ``context-mmt:mmt-frozen:3``, or with a seed ``context-mmt:mmt-frozen:3:1``.

    Raises:
        PresetError: The text does not have that form.
    """
    words = text.split(":")
    numbers = words[2:]
    if len(numbers) not in (1, 2) or not all(number.isdecimal() for number in numbers):
        raise PresetError(
            f"{text!r} names no fold; write model:preset:fold, for example context-mmt:mmt-frozen:3, or with a seed "
            "model:preset:fold:seed"
        )
    variant = ":".join(words[:2])
    parse_variant(variant)
    return FoldId(variant, *map(int, numbers))

"""A trained fold as Markdown, for the page of a pipeline step: development figures only, no test figure."""

from collections.abc import Sequence

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.history import EpochFigures

_COLUMNS = {"train_loss": "train loss", "dev_loss": "dev loss", "dev_ua": "dev UA", "dev_wa": "dev WA", "lr": "lr"}
_SHARES = ("dev_ua", "dev_wa")


def fold_markdown(fold: FoldRecord, epochs: Sequence[EpochFigures]) -> str:
    """Return a page about the fold: how its epoch was chosen, and the figures of every epoch."""
    chosen = fold.chosen.epoch
    note = f" ({fold.regime.note})" if fold.regime.note else ""
    seed = f", seed {fold.seed}" if fold.seed else ""
    return "\n".join(
        [
            f"# {fold.variant}, fold {fold.fold}{seed}",
            "",
            f"Epoch {chosen} of {fold.epochs} was chosen by: {fold.selection}. "
            f"Stages: {', '.join(fold.stages)}{note}. Training took {fold.seconds:.0f} s.",
            "",
            f"Encoders (profile {fold.profile}): "
            + "; ".join(f"{role} {cited}" for role, cited in fold.encoder_citations.items())
            + ".",
            "",
            f"| epoch | {' | '.join(_COLUMNS.values())} |",
            f"| ---: | {' | '.join('---:' for _ in _COLUMNS)} |",
            *(_row(epoch, chosen=epoch.epoch == chosen) for epoch in epochs),
            "",
        ]
    )


def _row(epoch: EpochFigures, *, chosen: bool) -> str:
    figures = epoch.figures
    values = [f"{100 * figures[name]:.1f}%" if name in _SHARES else f"{figures[name]:.4g}" for name in _COLUMNS]
    return f"| {' | '.join(f'**{value}**' if chosen else value for value in [str(epoch.epoch), *values])} |"

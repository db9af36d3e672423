"""A trained fold as Markdown, for the page of a pipeline step: development figures only, no test figure."""

from collections.abc import Sequence

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.history import EpochFigures

# Development figures that are shares.
_SHARES = ("dev_ua", "dev_wa")
_NAMES = {
    "dev_ua": "dev UA",
    "dev_wa": "dev WA",
    "dev_mae": "dev MAE",
    "dev_ccc": "dev CCC",
    "dev_pearson": "dev Pearson",
}


def fold_markdown(fold: FoldRecord, epochs: Sequence[EpochFigures]) -> str:
    """Return a page about the fold: how its epoch was chosen, and the figures of every epoch."""
    chosen = fold.chosen.epoch
    note = f" ({fold.regime.note})" if fold.regime.note else ""
    seed = f", seed {fold.seed}" if fold.seed else ""
    columns = ("train_loss", "dev_loss", *fold.task.figures, "lr")
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
            f"| epoch | {' | '.join(_NAMES.get(name, name.replace('_', ' ')) for name in columns)} |",
            f"| ---: | {' | '.join('---:' for _ in columns)} |",
            *(_row(epoch, columns, chosen=epoch.epoch == chosen) for epoch in epochs),
            "",
        ]
    )


def _row(epoch: EpochFigures, columns: Sequence[str], *, chosen: bool) -> str:
    figures = epoch.figures
    values = [f"{100 * figures[name]:.1f}%" if name in _SHARES else f"{figures[name]:.4g}" for name in columns]
    return f"| {' | '.join(f'**{value}**' if chosen else value for value in [str(epoch.epoch), *values])} |"

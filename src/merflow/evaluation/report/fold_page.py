"""One trained fold as Markdown, for pages that show a step of a pipeline: development figures alone, no test figure."""

from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = {"train_loss": "train loss", "dev_loss": "dev loss", "dev_ua": "dev UA", "dev_wa": "dev WA", "lr": "lr"}
_SHARES = ("dev_ua", "dev_wa")


def fold_markdown(fold: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """What the fold is, how its epoch was chosen, and its epochs.

    Args:
        fold: Content of ``fold.json``.
        history: One row an epoch: epoch and the figures of ``history.json``.
    """
    chosen = fold["development"]["best_epoch"]
    seed = f", seed {fold['seed']}" if fold["seed"] else ""
    return "\n".join(
        [
            f"# {fold['variant']}, fold {fold['fold']}{seed}",
            "",
            f"Epoch {chosen} of {fold['epochs']} was chosen: {fold['selection']}. "
            f"Stages: {', '.join(fold['stages'])}. {fold['seconds']:.0f} s of training.",
            "",
            f"| epoch | {' | '.join(_COLUMNS.values())} |",
            f"| ---: | {' | '.join('---:' for _ in _COLUMNS)} |",
            *(_row(row, chosen=row["epoch"] == chosen) for row in history),
            "",
        ]
    )


def _row(row: Mapping[str, Any], *, chosen: bool) -> str:
    cells = [f"{100 * row[key]:.1f} %" if key in _SHARES else f"{row[key]:.4g}" for key in _COLUMNS]
    return f"| {' | '.join(f'**{cell}**' if chosen else cell for cell in [str(row['epoch']), *cells])} |"

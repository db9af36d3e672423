"""From a variant of a finished benchmark to a model package that can be registered."""

from pathlib import Path

from merflow.contracts.model_package import Kind
from merflow.contracts.numerals import percent, plural
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.evaluation.model_calibration import COVERAGE
from merflow.promotion.packaging.package import build_package


def build(
    run: Path,
    variant: str,
    *,
    kind: Kind,
    out: Path,
    coverage: float = COVERAGE,
    device: str = "auto",
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build the model package of a variant; see :func:`merflow.promotion.packaging.package.build_package`.

    Returns:
        ``out``.
    """
    package = build_package(
        run,
        variant,
        kind=kind,
        out=out,
        coverage=coverage,
        device=device,
        checkpoints=checkpoints,
        progress=progress or plain_lines(),
    )
    made = (
        f"refitted on all sessions for {plural(package.members[0].epochs, 'epoch')}"
        if kind == "refit"
        else f"an ensemble of {plural(len(package.members), 'fold model')}"
    )
    say(f"register: {variant}, {made}; sets for {percent(coverage)}% coverage; {out}")
    return out

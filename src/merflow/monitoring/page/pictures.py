"""The page's pictures: a distribution as SVG in the page's colours, and the positions of shares on a track."""

from merflow.contracts.drift_results import NumberCheck

WIDTH, HEIGHT = 320, 110
_TICKS = 4


def histogram(check: NumberCheck) -> str:
    """Return the reference as a filled step curve and the window as a line, on one scale."""
    top = max(*check.reference.shares, *check.window.shares, 1e-9)
    area = _steps(check.reference.shares, top)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="histogram" aria-hidden="true" preserveAspectRatio="none">'
        f'<path class="was" d="M0 {HEIGHT} {area} L{WIDTH} {HEIGHT} Z"/>'
        f'<path class="is" d="M0 {HEIGHT} {_steps(check.window.shares, top)} L{WIDTH} {HEIGHT}"/></svg>'
    )


def ticks(check: NumberCheck) -> list[tuple[float, str]]:
    """Return the position in percent and the text of a few tick values below the picture."""
    first, last = check.edges[0], check.edges[-1]
    values = [first + (last - first) * step / _TICKS for step in range(_TICKS + 1)]
    digits = 0 if last - first >= 20 else 1 if last - first >= 2 else 2
    return [
        (100 * step / _TICKS, f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")) for step, value in enumerate(values)
    ]


def _steps(shares: tuple[float, ...], top: float) -> str:
    width = WIDTH / len(shares)
    points = []
    for number, share in enumerate(shares):
        y = HEIGHT - 2 - (HEIGHT - 6) * share / top
        points += [f"L{number * width:.1f} {y:.1f}", f"L{(number + 1) * width:.1f} {y:.1f}"]
    return " ".join(points)

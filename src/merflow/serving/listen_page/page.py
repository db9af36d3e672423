"""One HTML page per recording: waveform, timeline and playback. It works offline and from a folder."""

import base64
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jinja2 import Environment, StrictUndefined

from merflow.contracts.heard import NOT_SURE
from merflow.contracts.listening_results import ListeningResults
from merflow.contracts.numerals import clock_text, listed, percent, plural
from merflow.serving.listen_page.drawn import drawn
from merflow.serving.listen_page.palette import label_colours
from merflow.serving.listen_page.verdict import listening_verdict
from merflow.serving.playback import MIME
from merflow.serving.waveform import Waveform
from merflow.storage.local import output_errors, replacing

_SOUND_GOES_HERE = "<!--sound-->"
_CHUNK = 3 * 2**18  # a multiple of 3, so that the pieces of base64 join


def write_page(
    path: Path,
    results: ListeningResults,
    *,
    waveform: Waveform,
    embedded: Path | None,
    beside: str | None,
    files_beside: dict[str, str],
    command: str,
) -> None:
    """Write the page. Its size depends only on the number of segments and on the embedded audio.

    Args:
        path: File to write.
        results: Results of listening.
        waveform: Outline of the recording.
        embedded: MP3 file to embed in the page; None to embed none.
        beside: Name of an MP3 file in the page's folder to play instead; None for a page without playback.
        files_beside: Name and description of the other files in the page's folder.
        command: Command that repeats the run.

    Raises:
        OutputError: The page cannot be written.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, clock=clock_text, time=precise_time)
    environment.globals.update(plural=plural, listed=listed)
    room, report = files("merflow.serving.listen_page"), files("merflow.evaluation.report")
    style = [(report / "report.css"), (room / "listen.css")]
    task = "emotions.js" if results.model.scale is None else "scores.js"
    sound = "embedded" if embedded else ("beside" if beside else "")
    html = environment.from_string((room / "listen.html.j2").read_text(encoding="utf-8")).render(
        style="".join(each.read_text(encoding="utf-8") for each in style),
        script="".join((room / name).read_text(encoding="utf-8") for name in (task, "pictures.js", "listen.js")),
        results=results,
        verdict=listening_verdict(results),
        colour_of=label_colours(results.model),
        not_sure=NOT_SURE,
        sound=sound,
        beside=beside,
        files_beside=files_beside,
        data=_script_json(_data(results, waveform)),
        command=command,
    )
    head, _, tail = html.partition(_SOUND_GOES_HERE)
    with replacing(path) as part, output_errors(path), part.open("wb") as file:
        file.write(head.encode())
        if embedded is not None:
            file.write(f'<script type="text/plain" id="sound" data-mime="{MIME}">'.encode())
            with embedded.open("rb") as source:
                for chunk in _base64(source):
                    file.write(chunk)
            file.write(b"</script>")
        file.write(tail.encode())


def precise_time(seconds: float) -> str:
    """Return a time such as ``1:02.5``, or ``1:01:02.5``."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    second = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{second}" if hours else f"{minutes}:{second}"


def _data(results: ListeningResults, waveform: Waveform) -> dict[str, Any]:
    """Return the data for the page's script."""
    model = results.model
    outline: np.ndarray = waveform.outline()
    data = {
        "duration": round(results.duration_s, 3),
        "classes": model.labels,
        "colours": [label_colours(model)[name] for name in model.labels],
        "stretch": waveform.stretch_s,
        "outline": base64.b64encode(outline.tobytes()).decode(),
        "segments": [drawn(segment, model) for segment in results.segments],
    }
    if model.scale is None:
        return data
    scale = model.scale
    return data | {"scale": {"low": scale.low, "middle": scale.middle, "high": scale.high, "sides": scale.sides}}


def _script_json(value: dict[str, Any]) -> str:
    """Return JSON that cannot close the script element that contains it."""
    return re.sub(
        "[<>&\u2028\u2029]",
        lambda found: f"\\u{ord(found[0]):04x}",
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    )


def _base64(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield base64.b64encode(chunk)

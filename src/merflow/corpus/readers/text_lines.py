"""Lines of a corpus's text files."""

import re
from pathlib import Path

from merflow.errors import CorpusError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that is UTF-8, or else Latin-1; they end in LF, CRLF or CR.

    Raises:
        CorpusError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    # str.splitlines would also break at bytes such as 0x85, which occur in Latin-1 comments.
    return re.split(r"\r\n|\n|\r", text)

"""Passwords in the URLs of databases and servers, which must be neither stored nor shown."""

import re
from urllib.parse import unquote

# Matches up to the last @: a password with an @ or a slash should be percent-encoded, but often is not.
_USER = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@?#'\"]*):(?P<password>[^\s'\"]*)@", re.IGNORECASE)
_QUERY = re.compile(r"(?P<before>[?&]password)=(?P<password>[^\s&'\"]*)", re.IGNORECASE)


def masked(text: str) -> str:
    """Return the text with every password of a URL replaced by ``***``."""
    return _QUERY.sub(r"\g<before>=***", _USER.sub(r"\g<before>:***@", text))


def without_password(url: str) -> tuple[str, str | None]:
    """Return a URL without its password, and the password, or None if it has none."""
    in_query = _QUERY.search(url)
    if in_query:
        rest = _QUERY.sub("", url)
        return rest if "?" in rest else rest.replace("&", "?", 1), unquote(in_query["password"])
    as_user = _USER.search(url)
    return (url, None) if as_user is None else (_USER.sub(r"\g<before>@", url), unquote(as_user["password"]))

"""Cluster profiles: the clusters that a user submits to, in a TOML file in the user's config folder.

The file contains no secret. A token comes from a command or from a file that a profile names.
"""

import os
import re
import shlex
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from merflow.contracts.passwords import masked, without_password
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError, SubmissionError, nearest

FILE = "clusters.toml"
VARIABLE = "MERFLOW_PROFILE"
EXAMPLE = """\
default = "lab"

[cluster.lab]
host = "https://kubeflow.example.org/pipeline" # the URL of KFP's API; the UI is expected there as well
namespace = "speech"                           # leave it out if KFP is installed for a single user
experiment = "merflow"
token_command = "kubectl create token merflow-submit --namespace speech --audience pipelines.kubeflow.org"
# or token_file = "/var/run/secrets/kubeflow/pipelines/token"; leave both out if KFP needs no token
# ca_file = "/etc/ssl/certs/lab-ca.pem"        # the CA certificates that verify the host
mlflow = "https://mlflow.example.org"          # for links, and for merflow doctor
# s3 = "s3://merflow/lab"                      # for merflow doctor, like the next two
# s3_endpoint = "https://s3.example.org"
# study = "postgresql://optuna@postgres.example.org/optuna"
"""

_SECRET = re.compile(r"password|passwd|secret|cookie|^token$|api_?key|^user(name)?$", re.IGNORECASE)
_FIELDS_WITH_URLS = ("host", "ui", "mlflow", "s3", "s3_endpoint", "study")


class ClusterProfile(Strict):
    """One cluster.

    Attributes:
        host: URL of KFP's API.
        namespace: Namespace of the runs; None for a KFP without namespaces.
        experiment: KFP experiment of the runs.
        token_command: Command and arguments that print a token; empty for none.
        token_file: File that holds a token; None for none.
        ca_file: PEM file with the CA certificates that verify the host; None for the system's.
        ui: URL of KFP's UI; None if it is that of the API.
        mlflow: URL of MLflow; None if it is not known.
        s3: ``s3://bucket/prefix`` that runs may write to; None if it is not known.
        s3_endpoint: URL of the S3 server; None for AWS.
        study: Database of studies, without a password; None if it is not known.
    """

    host: str
    namespace: str | None = None
    experiment: str = "merflow"
    token_command: list[str] = Field(default_factory=list)
    token_file: str | None = None
    ca_file: str | None = None
    ui: str | None = None
    mlflow: str | None = None
    s3: str | None = None
    s3_endpoint: str | None = None
    study: str | None = None

    @field_validator("token_command", mode="before")
    @classmethod
    def _words(cls, command: object) -> object:
        return shlex.split(command) if isinstance(command, str) else command

    @field_validator("host", "ui", "mlflow", "s3_endpoint")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError(f"{masked(url)!r} is not a URL; write it as https://HOST or http://HOST:PORT")
        return None if url is None else url.rstrip("/")

    @field_validator(*_FIELDS_WITH_URLS)
    @classmethod
    def _no_password(cls, url: str | None) -> str | None:
        if url is not None and without_password(url)[1] is not None:
            raise ValueError(
                f"{masked(url)!r} contains a password, which does not belong in this file; remove it, and set "
                "PGPASSWORD, MLFLOW_TRACKING_PASSWORD or AWS_SECRET_ACCESS_KEY instead"
            )
        return url

    @field_validator("s3")
    @classmethod
    def _bucket(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme != "s3" or not urlsplit(url).netloc):
            raise ValueError(f"{url!r} is not a location in S3; write it as s3://BUCKET/PREFIX")
        return url

    @model_validator(mode="after")
    def _one_token(self) -> "ClusterProfile":
        if self.token_command and self.token_file:
            raise ValueError("token_command and token_file are both given; remove one of them")
        return self

    @property
    def auth(self) -> str:
        """The kind of login: ``token command``, ``token file`` or ``none``."""
        return "token command" if self.token_command else "token file" if self.token_file else "none"

    @property
    def ui_address(self) -> str:
        """URL of KFP's UI, without a trailing slash."""
        return self.ui or self.host


class _File(Strict):
    default: str | None = None
    cluster: dict[str, ClusterProfile] = Field(default_factory=dict)


@dataclass(frozen=True)
class Profiles:
    """The profiles of a file.

    Attributes:
        path: The file.
        default: Name of the profile to use by default; None if the file names none.
        clusters: Profiles by name.
    """

    path: Path
    default: str | None
    clusters: Mapping[str, ClusterProfile]


def config_file(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Return the path of the file, following the convention of the platform.

    Args:
        environment: Environment variables; None for those of this process.
        platform: The platform, as :data:`sys.platform` names it.
    """
    given = os.environ if environment is None else environment
    home = Path(given.get("HOME") or Path.home())
    if folder := given.get("XDG_CONFIG_HOME"):
        base = Path(folder)
    elif platform == "darwin":
        base = home / "Library/Application Support"
    elif platform == "win32":
        base = Path(given.get("APPDATA") or home / "AppData/Roaming")
    else:
        base = home / ".config"
    return base / "merflow" / FILE


def read_profiles(path: Path) -> Profiles:
    """Read the file.

    Raises:
        SubmissionError: The file is missing, cannot be read, holds a secret, or has a wrong key or value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SubmissionError(
            f"there are no cluster profiles: {path} does not exist; pass --host URL, or write the file, for "
            f"example:\n\n{EXAMPLE}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"cannot read {path} ({error}); make it a readable text file") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SubmissionError(f"{path} is not TOML: {error}; it looks like this:\n\n{EXAMPLE}") from error
    for where, key in _secrets(values):
        raise SubmissionError(
            f"{path}: {where} must not be in this file, because settings files get copied and shown; remove it, and "
            f"name a command or a file that provides a token: token_command or token_file{_hint(key)}"
        )
    try:
        parsed = parse(_File, values, where=str(path))
    except ParamsError as error:
        raise SubmissionError(str(error)) from error
    if parsed.default is not None and parsed.default not in parsed.cluster:
        raise SubmissionError(
            f"{path}: default {parsed.default!r} is not a profile; {_known(parsed.default, parsed.cluster)}"
        )
    return Profiles(path, parsed.default, parsed.cluster)


def choose(
    name: str | None, *, host: str | None = None, namespace: str | None = None, path: Path | None = None
) -> tuple[str, ClusterProfile]:
    """Return the profile to use, with its name: the named one, MERFLOW_PROFILE's, the file's default, or its only one.

    Args:
        name: Name of a profile; None to choose as above.
        host: URL that replaces the profile's. Without a file or profile, it makes a profile without login.
        namespace: Namespace that replaces the profile's.
        path: The file; None for the user's.

    Raises:
        SubmissionError: There is no such profile, none is chosen, or the file is wrong.
    """
    path = path or config_file()
    wanted = name or os.environ.get(VARIABLE) or None
    if host and not wanted and not path.exists():
        return _changed(host, _profile_of({"host": host}), host=None, namespace=namespace)
    profiles = read_profiles(path)
    wanted = wanted or profiles.default or (next(iter(profiles.clusters)) if len(profiles.clusters) == 1 else None)
    if wanted is None and host:
        return _changed(host, _profile_of({"host": host}), host=None, namespace=namespace)
    if wanted is None:
        raise SubmissionError(
            f"{path} has no default profile; pass --profile NAME, or add a line such as default = "
            f'"{next(iter(profiles.clusters), "lab")}" at its top'
        )
    if wanted not in profiles.clusters:
        raise SubmissionError(f"{path} has no profile {wanted!r}; {_known(wanted, profiles.clusters)}")
    return _changed(wanted, profiles.clusters[wanted], host=host, namespace=namespace)


def warnings_of(path: Path, profile: ClusterProfile) -> Iterator[str]:
    """Yield a warning for each file of a profile that others can read or change."""
    if profile.token_command and _mode(path) & (stat.S_IWOTH | stat.S_IWGRP):
        yield f"others can change {path}, and its token_command runs as you; run: chmod go-w {path}"
    if profile.token_file and _mode(path) & stat.S_IROTH:
        yield f"everyone can read {path}, which says where your token is; run: chmod o-r {path}"
    if profile.token_file and _mode(Path(profile.token_file)) & stat.S_IROTH:
        yield f"everyone can read the token in {profile.token_file}; run: chmod o-r {profile.token_file}"


def _changed(
    name: str, profile: ClusterProfile, *, host: str | None, namespace: str | None
) -> tuple[str, ClusterProfile]:
    changes = {key: value for key, value in (("host", host), ("namespace", namespace)) if value}
    if not changes:
        return name, profile
    return name, _profile_of({**profile.model_dump(exclude={"ui"} if host else set()), **changes})


def _profile_of(values: Mapping[str, Any]) -> ClusterProfile:
    try:
        return parse(ClusterProfile, dict(values), where="--host and --namespace")
    except ParamsError as error:
        raise SubmissionError(str(error)) from error


def _secrets(values: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted and the plain name of every key that looks like a secret."""
    for key, value in values.items():
        dotted = f"{where}.{key}" if where else key
        if isinstance(value, dict):
            yield from _secrets(value, dotted)
        elif _SECRET.search(key):
            yield dotted, key


def _hint(key: str) -> str:
    user = re.match("user|passw", key, re.IGNORECASE)
    return " (merflow does not log in through web forms)" if user else ""


def _known(name: str, clusters: Mapping[str, ClusterProfile]) -> str:
    return nearest(name, clusters) if clusters else "the file has none"


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0

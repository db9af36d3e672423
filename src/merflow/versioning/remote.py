"""Pushing to and pulling from the project's DVC remote, with failures that say what to do."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merflow.errors import VersioningError

_MODIFY = "dvc remote modify --local {name}"
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NETWORK = f"check the network and the address: {_MODIFY} endpointurl http://HOST:PORT"
# Name of an exception, or S3's own word for an error -> what the user can do.
_REMEDIES = {
    "NoSuchBucket": "make the bucket, or correct the URL: dvc remote modify {name} url s3://BUCKET/FOLDER",
    "NoCredentialsError": f"{_KEYS}, or {_MODIFY} profile NAME",
    "PartialCredentialsError": _KEYS,
    "InvalidAccessKeyId": f"check AWS_ACCESS_KEY_ID, or {_MODIFY} profile NAME",
    "SignatureDoesNotMatch": f"check AWS_SECRET_ACCESS_KEY, or {_MODIFY} profile NAME",
    "ProfileNotFound": f"name a profile of ~/.aws/config: {_MODIFY} profile NAME",
    "AccessDenied": "ask for the right to read and write the bucket",
    "EndpointConnectionError": _NETWORK,
    "ConnectTimeoutError": _NETWORK,
    "CheckoutError": "the remote lacks them: push them from where they were made (merflow data push)",
    "ConfirmRemoveError": "a file in its place is not on record; move it away",
}
_WAYS = {"push": "to", "pull": "from"}


class Remote:
    """The remote of a DVC project.

    Attributes:
        root: The project's folder.
        name: The remote, or None for the project's default.
    """

    def __init__(self, root: Path, *, name: str | None = None) -> None:
        self.root = root
        self.name = name

    def push(self, stages: Sequence[str]) -> int:
        """Uploads what these stages wrote; returns how many files the remote lacked.

        Raises:
            VersioningError: No such remote, it cannot be reached or refuses, or a file is not here.
        """

        def push(repo: Any) -> int:  # noqa: ANN401 - dvc's Repo
            self._check_cached(repo, stages)
            return int(repo.push(targets=_targets(repo, stages), remote=self.name))

        return int(self._call("push", push))

    def pull(self, stages: Sequence[str]) -> int:
        """Brings what these stages wrote here, as ``dvc.lock`` names it; returns how many files were fetched.

        Raises:
            VersioningError: As :meth:`push`; or the remote lacks a file, or one that is not on record is in the way.
        """
        told = self._call("pull", lambda repo: repo.pull(targets=_targets(repo, stages), remote=self.name))
        return int(told["stats"]["fetched"])

    def _call(self, what: str, action: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - what DVC returns
        with self._opened() as repo, _overheard() as told:
            from botocore.exceptions import BotoCoreError, ClientError
            from dvc.exceptions import DvcException

            place = self._place(repo)
            try:
                return action(repo)
            except (DvcException, BotoCoreError, ClientError, OSError) as error:
                reason = self._reason([*told, error])
                raise VersioningError(f"cannot {what} {_WAYS[what]} {place}: {reason}") from error

    def _opened(self) -> Any:  # noqa: ANN401 - dvc has no types
        try:
            from dvc.exceptions import DvcException
            from dvc.repo import Repo
        except ModuleNotFoundError as error:
            raise VersioningError(
                "versions need DVC, which is not installed; pip install 'merflow[versioning]'"
            ) from error
        try:
            return Repo(str(self.root))
        except DvcException as error:
            raise VersioningError(
                f"{self.root} is no DVC project ({error}); run in one, or make one: dvc init"
            ) from error

    def _place(self, repo: Any) -> str:  # noqa: ANN401 - dvc's Repo
        """The remote as people know it.

        Raises:
            VersioningError: There is none, or none of this name.
        """
        known = repo.config["remote"]
        name = self.name or repo.config["core"].get("remote")
        if name in known:
            self.name = name
            settings = known[name]
            endpoint = f" at {settings['endpointurl']}" if "endpointurl" in settings else ""
            return f"remote {name!r} ({settings['url']}{endpoint})"
        if name is None:
            raise VersioningError(
                f"{self.root} has no default remote; add one: dvc remote add --default NAME s3://BUCKET/FOLDER"
            )
        listed = f"known: {', '.join(sorted(known))}" if known else "there is none"
        raise VersioningError(f"no remote {name!r} in {self.root}; {listed}; add it: dvc remote add {name} s3://...")

    def _check_cached(self, repo: Any, stages: Sequence[str]) -> None:  # noqa: ANN401 - dvc's Repo
        """Raises: VersioningError: DVC would skip what it does not have, with a warning."""
        outs = [out for stage in _chosen(repo, stages) for out in stage.outs if out.use_cache]
        lacking = [str(out) for out in outs if out.changed_cache()]
        if lacking or not outs:
            what = ", ".join(lacking) or f"no stage {' or '.join(stages)} in dvc.yaml"
            raise VersioningError(f"not here to be pushed: {what}; run the stages (dvc repro), or merflow data pull")

    def _reason(self, errors: Sequence[Exception]) -> str:
        """What went wrong in the words of whoever knows most of it, and what to do about it."""
        causes = [cause for error in errors for cause in _causes(error)]
        for cause in causes:
            for word in (_code(cause), type(cause).__name__):
                if word in _REMEDIES:
                    return f"{_sentence(cause)}; {_REMEDIES[word].format(name=self.name)}"
        return _sentence(causes[-1])


def _chosen(repo: Any, stages: Sequence[str]) -> list[Any]:  # noqa: ANN401 - dvc's Repo
    """Those of the project's stages, a matrix' stages one by one; what `dvc add` tracks has no name."""
    return [stage for stage in repo.index.stages if getattr(stage, "name", "").partition("@")[0] in stages]


def _targets(repo: Any, stages: Sequence[str]) -> list[str]:  # noqa: ANN401 - dvc's Repo
    """The stages as DVC takes them from the current folder."""
    return [stage.addressing for stage in _chosen(repo, stages)]


@contextmanager
def _overheard() -> Iterator[list[Exception]]:
    """The errors that DVC only logs while it goes on to the next file; it is otherwise silent."""
    told: list[Exception] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info and record.exc_info[1]
            if isinstance(error, Exception):
                told.append(error)

    loggers = [logging.getLogger(name) for name in ("dvc", "dvc_data", "dvc_objects")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [Listener(logging.WARNING)], False
    try:
        yield told
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate


def _sentence(error: BaseException) -> str:
    """The error's message on one line, without DVC's link."""
    return " ".join(str(error).partition("Is your cache")[0].split()).rstrip(".")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, the root last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _code(error: BaseException) -> str:
    """S3's own word for the error, where it is one of S3's."""
    response = getattr(error, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) and "Error" in response else ""

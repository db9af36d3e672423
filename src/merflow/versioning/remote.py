"""Push to and pull from the DVC remote of a project, with errors that say what to do."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merflow.errors import VersioningError

_MODIFY = "dvc remote modify --local {name}"
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NETWORK = f"check the network and the address: {_MODIFY} endpointurl http://HOST:PORT"
# Name of an exception, or error code of S3 -> remedy.
_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct the URL: dvc remote modify {name} url s3://BUCKET/FOLDER",
    "NoCredentialsError": f"{_KEYS}, or {_MODIFY} profile NAME",
    "PartialCredentialsError": _KEYS,
    "InvalidAccessKeyId": f"check AWS_ACCESS_KEY_ID, or {_MODIFY} profile NAME",
    "SignatureDoesNotMatch": f"check AWS_SECRET_ACCESS_KEY, or {_MODIFY} profile NAME",
    "ProfileNotFound": f"choose a profile from ~/.aws/config: {_MODIFY} profile NAME",
    "AccessDenied": "get permission to read and write the bucket",
    "EndpointConnectionError": _NETWORK,
    "ConnectTimeoutError": _NETWORK,
    "CheckoutError": "the remote lacks them; run `merflow data push` in the checkout that made them",
    "ConfirmRemoveError": "an unrecorded file is in the way; move it",
}
_PREPOSITIONS = {"push": "to", "pull": "from", "find files": "in", "compare": "with"}


class Remote:
    """The remote of a DVC project.

    Attributes:
        root: The project's folder.
        name: Name of the remote; None for the project's default.
    """

    def __init__(self, root: Path, *, name: str | None = None) -> None:
        self.root = root
        self.name = name

    def push(self, stages: Sequence[str]) -> int:
        """Upload the outputs of these stages, and return the number of files that the remote lacked.

        Raises:
            VersioningError: No such remote exists, it cannot be reached or refuses, or a file is missing here.
        """

        def push(repo: Any) -> int:  # noqa: ANN401 - dvc's Repo
            self._check_cached(repo, stages)
            return int(repo.push(targets=_targets(repo, stages), remote=self.name))

        return int(self._call("push", push))

    def pull(self, stages: Sequence[str]) -> int:
        """Fetch the outputs of these stages that ``dvc.lock`` records, and return the number of files fetched.

        Raises:
            VersioningError: No such remote exists, it cannot be reached or refuses, it lacks a file, or an unrecorded
                file is in the way.
        """
        outcome = self._call("pull", lambda repo: repo.pull(targets=_targets(repo, stages), remote=self.name))
        return int(outcome["stats"]["fetched"])

    def address(self, md5: str) -> str:
        """Return the address of a file in the remote; no request is made.

        Raises:
            VersioningError: No such remote exists.
        """

        def address(repo: Any) -> str:  # noqa: ANN401 - dvc's Repo
            storage = repo.cloud.get_remote_odb(self.name)
            return str(storage.fs.unstrip_protocol(storage.oid_to_path(md5)))

        return str(self._call("find files", address))

    def missing(self, stages: Sequence[str]) -> list[str]:
        """Return the outputs of these stages that the remote lacks, by their paths as ``dvc.lock`` names them.

        Raises:
            VersioningError: No such remote exists, or it cannot be reached or refuses.
        """
        outcome = self._call(
            "compare", lambda repo: repo.status(targets=_targets(repo, stages), remote=self.name, cloud=True)
        )
        return sorted(path for path, state in outcome.items() if state in ("new", "missing"))

    def _call(self, what: str, action: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - what DVC returns
        with self._opened() as repo, _logged_errors() as logged:
            from botocore.exceptions import BotoCoreError, ClientError
            from dvc.exceptions import DvcException

            description = self._describe(repo)
            try:
                return action(repo)
            except (DvcException, BotoCoreError, ClientError, OSError) as error:
                reason = self._reason([*logged, error])
                raise VersioningError(f"cannot {what} {_PREPOSITIONS[what]} {description}: {reason}") from error

    def _opened(self) -> Any:  # noqa: ANN401 - dvc has no types
        try:
            from dvc.exceptions import DvcException
            from dvc.repo import Repo
        except ModuleNotFoundError as error:
            raise VersioningError(
                "data versions need DVC, which is not installed; run: pip install 'merflow[versioning]'"
            ) from error
        try:
            return Repo(str(self.root))
        except DvcException as error:
            raise VersioningError(
                f"{self.root} is not a DVC project ({error}); run the command in one, or make one: dvc init"
            ) from error

    def _describe(self, repo: Any) -> str:  # noqa: ANN401 - dvc's Repo
        """Describe the remote for the user, and choose the default one if none is named.

        Raises:
            VersioningError: The project has no remote, or none of this name.
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
        listed = f"known: {', '.join(sorted(known))}" if known else "the project has none"
        raise VersioningError(f"no remote {name!r} in {self.root}; {listed}; add it: dvc remote add {name} s3://...")

    def _check_cached(self, repo: Any, stages: Sequence[str]) -> None:  # noqa: ANN401 - dvc's Repo
        """Raise if an output is missing here, which DVC would skip with a warning.

        Raises:
            VersioningError: An output of the stages is missing, or the project has no such stage.
        """
        outs = [out for stage in _chosen(repo, stages) for out in stage.outs if out.use_cache]
        missing = [str(out) for out in outs if out.changed_cache()]
        if not outs:
            raise VersioningError(f"nothing to push: dvc.yaml has no stage {' or '.join(stages)}; add one")
        if missing:
            raise VersioningError(
                f"nothing was pushed, because files are missing here: {', '.join(missing)}; run the stages "
                "(dvc repro), or merflow data pull"
            )

    def _reason(self, errors: Sequence[Exception]) -> str:
        """Return the most specific message among the errors, with its remedy."""
        causes = [cause for error in errors for cause in _causes(error)]
        for cause in causes:
            for word in (_code(cause), type(cause).__name__):
                if word in _REMEDIES:
                    return f"{_sentence(cause)}; {_REMEDIES[word].format(name=self.name)}"
        return _sentence(causes[-1])


def _chosen(repo: Any, stages: Sequence[str]) -> list[Any]:  # noqa: ANN401 - dvc's Repo
    """Return these stages of the project, those of a matrix one by one; files of `dvc add` have no stage name."""
    return [stage for stage in repo.index.stages if getattr(stage, "name", "").partition("@")[0] in stages]


def _targets(repo: Any, stages: Sequence[str]) -> list[str]:  # noqa: ANN401 - dvc's Repo
    """Return the stages as DVC addresses them from the current folder."""
    return [stage.addressing for stage in _chosen(repo, stages)]


@contextmanager
def _logged_errors() -> Iterator[list[Exception]]:
    """Collect the errors that DVC only logs while it continues with the next file, and silence its other output."""
    errors: list[Exception] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info and record.exc_info[1]
            if isinstance(error, Exception):
                errors.append(error)

    loggers = [logging.getLogger(name) for name in ("dvc", "dvc_data", "dvc_objects")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [Listener(logging.WARNING)], False
    try:
        yield errors
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate


def _sentence(error: BaseException) -> str:
    """Return the message of an error on one line, without DVC's link."""
    return " ".join(str(error).partition("Is your cache")[0].split()).rstrip(".")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, the root cause last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _code(error: BaseException) -> str:
    """Return the error code of S3; empty for other errors."""
    response = getattr(error, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) and "Error" in response else ""

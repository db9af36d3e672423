"""Refusals of ``merflow pipeline rehearse``, before anything starts."""

from pathlib import Path

import pytest

from merflow.pipelines.packages import COMPILED
from tests.cli.command import refused

PACKAGE = str(COMPILED / "benchmark.yaml")


def options(tmp_path: Path, *more: str) -> tuple[str, ...]:
    return ("pipeline", "rehearse", PACKAGE, "--services", str(tmp_path), "--out", str(tmp_path / "out"), *more)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("models", "give a name and a value, as in size=tiny"),
        ("models=a:b", "parameter models takes a LIST as JSON"),
        ("quarantine=perhaps", "parameter quarantine takes a BOOLEAN as JSON"),
    ],
)
def test_a_malformed_argument_is_refused(tmp_path: Path, argument: str, words: str) -> None:
    assert words in refused(*options(tmp_path, "--arg", argument))


def test_without_podman_the_error_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs podman, which is not installed" in refused(*options(tmp_path, "--arg", "models=[]"))


def test_a_missing_image_is_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A podman that knows no image, as after its installation."""
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said = refused(*options(tmp_path, "--arg", "models=[]"))
    assert "podman has no image merflow/python:0.1.0" in said
    assert "make images" in said

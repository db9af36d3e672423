"""The pipeline ``promote`` on this machine: a champion that a person approved, and a second run that finds it."""

import re
import threading
import time
from pathlib import Path

import pytest

from merflow.contracts.audit_trail import AuditEntry
from merflow.errors import MerflowError
from merflow.jobs.registry import open_registry
from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.promote import approve_version
from tests.cli.command import merflow

pytest.importorskip("kfp")
pytest.importorskip("great_expectations")

SETTINGS = {
    "splits.folds": 2,
    "splits.development": "random",
    "splits.random_share": 0.34,
    "training.max_epochs": 2,
    "training.device": "cpu",
    "classics.audio": "false",
    "classics.opensmile": "off",
    "evaluation.bootstrap_samples": 200,
}
COMMON = ["--models", "context-mmt:bert-fc-frozen", "--size", "tiny", "--protocol", "k-fold"]
# So small a benchmark shows nothing: the gate warns, and lets it through.
PROMOTION = ["--arg", "kind=ensemble", "--arg", "stress_utterances=0", "--arg", "mode=warn"]


def approving(folder: Path, given: list[AuditEntry]) -> None:
    """Approve the first decision about the candidate as soon as there is one."""
    end_s = time.monotonic() + 600
    while not given and time.monotonic() < end_s:
        time.sleep(0.5)
        try:
            registry = open_registry(folder=folder, who="Anna")
            given.append(approve_version(registry, "candidate", reason="Read the card."))
        except MerflowError:
            continue  # not yet


def test_a_person_approves_while_the_pipeline_waits_and_a_second_run_moves_nothing(tmp_path: Path) -> None:
    out, given = tmp_path / "run", list[AuditEntry]()
    command = ["pipeline", "run", "promote", *COMMON, "--out", out]
    command += [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    person = threading.Thread(target=approving, args=(out, given), daemon=True)
    person.start()
    done = merflow(*command, *PROMOTION, "--arg", "approval_h=0.2")
    assert done.code == 0, done.err
    person.join(timeout=1)
    registry = open_registry(folder=out)
    (version,) = registry.versions()
    assert (version.version, version.aliases) == (1, ("champion",))
    assert [entry.action for entry in audit(registry).entries if entry.action in ("decide", "approve", "promote")] == [
        "decide",
        "approve",
        "promote",
    ]
    assert "is promoted in mode warn, though" in (out / "decision.md").read_text()
    assert (out / "card.html").is_file()
    assert "merflow pipeline run benchmark" in (out / "report.html").read_text()

    again = merflow(*command, *PROMOTION, "--arg", "approval_h=0.2")
    assert again.code == 0, again.err
    assert re.search(r"total +\d+:\d\d +6 ran, 11 cached\n", again.out), again.out
    assert "version 1 of 'merflow' is the champion already" in (out / "decision.md").read_text()
    assert [each.version for each in registry.versions()] == [1]
    assert audit(registry).problems == ()

"""The pipeline ``promote`` on this machine: a champion that a person approved, and a second run that finds it."""

import re
import threading
import time
from pathlib import Path

import pytest

from merflow.contracts.audit_trail import AuditEntry
from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.location import open_registry
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
    """Approve the decision about the candidate as soon as the pipeline waits for it."""
    log = folder / "kfp/log.txt"
    while not log.is_file() or "waits for the approval of decision" not in log.read_text():
        time.sleep(0.5)
    given.append(approve_version(open_registry(folder=folder, who="Anna"), "candidate", reason="Read the card."))


def test_a_person_approves_while_the_pipeline_waits_and_a_second_run_moves_nothing(tmp_path: Path) -> None:
    out, given = tmp_path / "run", list[AuditEntry]()
    command = ["pipeline", "run", "promote", *COMMON, "--out", out]
    command += [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    person = threading.Thread(target=approving, args=(out, given), daemon=True)
    person.start()
    done = merflow(*command, *PROMOTION, "--arg", "approval_h=0.2")
    assert done.code == 0, done.err
    person.join(timeout=60)
    assert given
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

"""Adapters between the jobs and the steps of a pipeline: a request and paths in, files out.

A request is JSON (``contracts.requests``). Each step imports its job when it is called, so no step loads the libraries
of another.
"""

from merflow.jobs.steps.benchmark import classics, evaluate, list_folds, plan_benchmark, track, train
from merflow.jobs.steps.monitoring import act_on_drift, monitor, plan_monitoring
from merflow.jobs.steps.preparation import extract, fingerprint, index, split, transcribe, validate
from merflow.jobs.steps.promotion import gate, package, plan_promotion, promote, register
from merflow.jobs.steps.tuning import choose_trial, open_study, plan_tuning, run_trials

__all__ = [
    "act_on_drift",
    "choose_trial",
    "classics",
    "evaluate",
    "extract",
    "fingerprint",
    "gate",
    "index",
    "list_folds",
    "monitor",
    "open_study",
    "package",
    "plan_benchmark",
    "plan_monitoring",
    "plan_promotion",
    "plan_tuning",
    "promote",
    "register",
    "run_trials",
    "split",
    "track",
    "train",
    "transcribe",
    "validate",
]

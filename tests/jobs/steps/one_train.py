"""One step ``train`` as a process: ``python -m tests.jobs.steps.one_train REQUEST METRICS SUMMARY``."""

import sys

from merflow.jobs import steps
from merflow.runs.remote import watch

if __name__ == "__main__":
    watch.EVERY_S = 0.05
    request, metrics, summary = sys.argv[1:]
    steps.train(request, metrics=metrics, summary=summary)

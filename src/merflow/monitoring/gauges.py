"""A comparison as Prometheus gauges: a text file for the node exporter, or part of a server's ``/metrics``."""

from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from merflow.contracts.drift_results import DriftResults
from merflow.errors import MonitoringError
from merflow.storage.local import output_errors

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class DriftGauges:
    """Gauges on a registry; a check that was not made has no gauges."""

    def __init__(self, registry: "CollectorRegistry", *, labels: tuple[str, ...] = ()) -> None:
        """Register the gauges.

        Args:
            registry: The registry.
            labels: Further labels of all gauges, such as ``model``.

        Raises:
            MonitoringError: prometheus_client is not installed.
        """
        try:
            from prometheus_client import Gauge
        except ModuleNotFoundError as error:
            raise MonitoringError(
                "metrics need prometheus_client, which is not installed; pip install 'merflow[serving]'"
            ) from error

        def gauge(name: str, words: str, *own: str) -> Gauge:
            """Register a gauge."""
            return Gauge(f"merflow_drift_{name}", words, (*labels, *own), registry=registry)

        self._gauge = gauge
        self._psi = gauge("psi", "Population stability index of a number or of the predicted emotions.", "check")
        self._energy = gauge("energy", "Energy distance in standard deviations of the reference.", "check")
        self._p_value = gauge("p_value", "p-value of a check, adjusted by Holm's method.", "check")
        self._alarm = gauge("alarm", "1 if the check found drift.", "check")
        self._share = gauge("share", "Abstention, coverage and accuracy of the window.", "check")
        self._clips = gauge("window_clips", "Answered clips in the window.")
        self._time = gauge("last_run_timestamp_seconds", "Time of the comparison.")

    def show(self, results: DriftResults, *labels: str) -> None:
        """Set all gauges to the results; ``labels`` are the values of the further labels."""
        for check in results.checks:
            self._p_value.labels(*labels, check.name).set(check.adjusted)
            self._alarm.labels(*labels, check.name).set(check.drifted)
        for number in results.numbers:
            self._psi.labels(*labels, number.name).set(number.psi)
            self._energy.labels(*labels, number.name).set(number.energy)
        if results.shares is not None:
            self._psi.labels(*labels, results.shares.name).set(results.shares.psi)
        for rate in results.rates:
            self._share.labels(*labels, rate.name).set(rate.window)
        if results.error is not None:
            words = "Mean absolute error of the scores whose labels came back."
            self._gauge("mae", words, "check").labels(*labels, results.error.name).set(results.error.window)
        (self._clips.labels(*labels) if labels else self._clips).set(results.clips)
        (self._time.labels(*labels) if labels else self._time).set(time())


def write_prometheus(results: DriftResults, path: Path) -> None:
    """Write a file for the textfile collector of Prometheus's node exporter, completely or not at all.

    Raises:
        MonitoringError: prometheus_client is not installed, or the collector would not read a file of this name.
        OutputError: The file cannot be written.
    """
    if path.suffix != ".prom":
        raise MonitoringError(f"--prometheus {path}: the node exporter reads files that end in .prom; name one")
    try:
        from prometheus_client import CollectorRegistry, write_to_textfile
    except ModuleNotFoundError as error:
        raise MonitoringError(
            "metrics need prometheus_client, which is not installed; pip install 'merflow[serving]'"
        ) from error
    registry = CollectorRegistry()
    DriftGauges(registry, labels=("model", "version")).show(results, results.model, results.version)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)

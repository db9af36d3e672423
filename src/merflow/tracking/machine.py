"""The load of the machine while a fold trains: CPUs, memory and GPUs, for MLflow's page of system metrics.

MLflow's own monitor writes to the server from a separate thread and waits for it when training ends. Here a thread
only measures, and the metrics are sent with all others, so a server that is down causes no further delay.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

# MLflow shows metrics with this prefix on a separate page.
PREFIX = "system/"
_MEGABYTE = 1e6  # as MLflow counts


class Sampler:
    """Measures the load of the whole machine, and the memory of this process, until it is stopped.

    A sample is the mean since the one before. On a shared node it includes the load of other users.
    """

    def __init__(self, *, every_s: float) -> None:
        """Start measuring; the first sample is taken after ``every_s`` seconds."""
        self._every_s = every_s
        self._monitors = _monitors()
        self._rows: list[tuple[int, dict[str, float]]] = []
        self._taken = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="merflow machine", daemon=True)
        self._thread.start()

    def take(self) -> list[tuple[int, dict[str, float]]]:
        """Return the samples since the last call: milliseconds since 1970, and figures by name."""
        with self._taken:
            rows, self._rows = self._rows, []
        return rows

    def stop(self) -> None:
        """Take a last sample and end the thread."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()

    def _measure(self) -> None:
        import psutil

        process = psutil.Process()
        self._collect()  # loads are means since the previous call, so the first is meaningless
        ended = False
        while not ended:
            ended = self._ended.wait(self._every_s)
            figures = self._collect()
            figures["process_memory_megabytes"] = process.memory_info().rss / _MEGABYTE
            with self._taken:
                self._rows.append((int(time.time() * 1000), {PREFIX + key: value for key, value in figures.items()}))

    def _collect(self) -> dict[str, float]:
        figures: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.clear_metrics()
            monitor.collect_metrics()
            sample: Mapping[str, float] = monitor.aggregate_metrics()
            figures.update(sample)
        return figures


def _monitors() -> list[Any]:
    """Return MLflow's monitors of the processors, and of NVIDIA GPUs where their library is installed."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):
        return [CPUMonitor()]

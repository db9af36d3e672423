"""The run that KFP's own MLflow plugin creates for a task.

The plugin creates a run per pipeline run and per task, and closes them itself. It creates new ones for a retry, and
none for a cached fold. So merflow keeps its own runs, and the two are linked by tags: ``kfp.mlflow_run_id`` on
merflow's, ``merflow.run_id`` on the plugin's.
"""

import logging

from merflow.contracts.pod_environment import PodEnvironment
from merflow.errors import TrackingError
from merflow.tracking.connection import Connection

logger = logging.getLogger(__name__)


def link_plugin_run(pod: PodEnvironment, *, uri: str, run_id: str) -> None:
    """Tag the plugin's run of this task with merflow's; do nothing without one. A failure is a warning.

    Args:
        pod: The pod of the task.
        uri: Tracking server of merflow's run, and of the plugin's where the plugin names none.
        run_id: MLflow's id of merflow's run.
    """
    if not pod.plugin_run_id:
        return
    try:
        plugin = Connection(pod.plugin_uri or uri)
        plugin.call("set_tag", pod.plugin_run_id, "merflow.run_id", run_id)
        plugin.call("set_tag", pod.plugin_run_id, "merflow.tracking_uri", uri)
    except TrackingError as error:
        logger.warning("the run of KFP's MLflow plugin has no link to run %s: %s", run_id, error)

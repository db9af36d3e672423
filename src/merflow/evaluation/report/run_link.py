"""The link from the page of a pipeline step to the benchmark's run in MLflow."""

from merflow.contracts.tracked_run import TrackedRun


def run_markdown(run: TrackedRun) -> str:
    """Return one line of Markdown: a link to the run's page, or where else to find it."""
    if run.uri is None:
        return "Nothing is tracked (`tracking.uri` is `none`).\n"
    if run.page:
        return f"MLflow: [{run.name}]({run.page}) in the experiment {run.experiment}.\n"
    return (
        f"MLflow: run {run.name} in the experiment {run.experiment} at {run.uri}, "
        f"`tags.merflow.benchmark_id = '{run.benchmark_id}'`.\n"
    )

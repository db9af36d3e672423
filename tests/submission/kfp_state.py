"""The state of a KFP server, which checks requests and answers against KFP's description."""

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from typing import Any
from urllib.parse import unquote

import yaml

from tests.submission.description import Operation, operations, problems
from tests.submission.workflow import Workflow

_START = datetime(2026, 11, 1, 9, tzinfo=UTC)


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Fault:
    """A fault in the next answers.

    Attributes:
        status: Status to answer with; 0 to close the connection without an answer.
        on: Expression that method and path contain, ``POST /apis/v2beta1/runs`` for example.
        times: Number of answers.
        after: True if the request is carried out before.
        headers: Headers of the answer.
        body: Body in place of an error's.
        delay_s: Seconds before the answer.
    """

    status: int
    on: str = ""
    times: int = 1
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    delay_s: float = 0.0


class KfpServer:
    """The state of the server, and what went wrong.

    Attributes:
        url: Its address.
        multi_user: True for a server with namespaces.
        tokens: Tokens that it takes; None to take any request.
        forbidden: Namespaces that nobody may use.
        violations: Requests and answers that break KFP's description.
        requests: Method and path of every request.
        faults: Faults to come.
        workflows: Workflow by id of run.
        progress: Changes a workflow before a run is read: a function of the run and the number of reads before.
    """

    def __init__(self) -> None:
        self.url = ""
        self.multi_user = True
        self.version = "2.17.0"
        self.tokens: set[str] | None = None
        self.forbidden: set[str] = set()
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.workflows: dict[str, Workflow] = {}
        self.progress: Callable[[dict[str, Any], int], None] = lambda _run, _reads: None
        self.reads: dict[str, int] = {}
        self.page_size: int | None = None
        self.lock = threading.Lock()

    def fault(self, request: str) -> Fault | None:
        """Take the next fault for a request."""
        for each in self.faults:
            if re.search(each.on, request):
                each.times -= 1
                if not each.times:
                    self.faults.remove(each)
                return each
        return None

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes, kind: str) -> Any:  # noqa: ANN401
        """Carry a request out and return its answer.

        Raises:
            RefusedError: As KFP would refuse it.
        """
        operation, names = self._operation(method, path)
        for name in query.keys() - operation.query:
            self.violations.append(f"{method} {path}: no parameter {name}")
        sent: Any = None
        if operation.form:
            if not kind.startswith("multipart/form-data"):
                self.violations.append(f"{method} {path}: {kind} is not a form")
            message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            part = next(each for each in message.walk() if "uploadfile" in str(each["Content-Disposition"]))
            sent = str(part.get_payload())
        elif body and operation.body:
            sent = json.loads(body)
            kind_of_body = "object" if operation.body == "str" else operation.body
            self.violations += [f"{method} {path} body{each}" for each in problems(sent, kind_of_body)]
        elif body not in (b"", b"{}"):
            self.violations.append(f"{method} {path}: takes no body, got {body[:100]!r}")
        namespace = query.get("namespace") or (sent.get("namespace") if isinstance(sent, dict) else None)
        self._check_namespace(operation, namespace)
        with self.lock:
            answer = getattr(self, f"_{operation.name}")(names, query, sent)
        if operation.name != "healthz_service_get_healthz":  # a server tells its version as well
            self.violations += [f"answer of {method} {path}{each}" for each in problems(answer, operation.answer)]
        return answer

    def log(self, run_id: str, pod: str) -> str:
        """Return the log of a pod, or the error that KFP writes after status 200."""
        found = self.workflows[run_id].logs.get(pod) if run_id in self.workflows else None
        if found is None:
            message = f"Failed to read logs for run {run_id}: BadRequestError: pods {pod} not found"
            return json.dumps({"error_message": message, "error_details": message}, separators=(",", ":"))
        return found

    def _operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        for operation in operations():
            found = operation.pattern.fullmatch(path) if operation.method == method else None
            if found:
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        self.violations.append(f"{method} {path} is not in KFP's description")
        raise RefusedError(404, "Not Found")

    def _check_namespace(self, operation: Operation, namespace: str | None) -> None:
        scoped = "list_" in operation.name or "create_experiment" in operation.name
        if namespace in self.forbidden:
            raise RefusedError(403, f"User may not access namespace {namespace}: PermissionDenied")
        if not self.multi_user and namespace and "experiment" in operation.name:
            raise RefusedError(400, "In single-user mode, CreateExperimentRequest shouldn't contain a namespace")
        if (
            self.multi_user
            and scoped
            and not namespace
            and "versions" not in operation.name
            and "create" in operation.name
        ):
            raise RefusedError(400, "An experiment must have a namespace in multi-user mode")

    # Operations, by the names of the description.

    def _healthz_service_get_healthz(self, *_: Any) -> Any:  # noqa: ANN401
        return {
            "multi_user": self.multi_user,
            "pipeline_store": "database",
            "tag_name": self.version,
            "commit_sha": "abc",
        }

    def _experiment_service_list_experiments(self, _names: Any, query: dict[str, str], _sent: Any) -> Any:  # noqa: ANN401
        return self._page(self.experiments, "experiments", query)

    def _experiment_service_create_experiment(self, _names: Any, _query: Any, sent: dict[str, Any]) -> Any:  # noqa: ANN401
        if any(each["display_name"] == sent["display_name"] for each in self.experiments.values()):
            raise RefusedError(409, "Failed to create a new experiment: AlreadyExists")
        return self._made(self.experiments, "experiment_id", sent, storage_state="AVAILABLE")

    def _experiment_service_delete_experiment(self, names: dict[str, str], *_: Any) -> Any:  # noqa: ANN401
        del self.experiments[self._got(self.experiments, names["experiment_id"])["experiment_id"]]
        return {}

    def _pipeline_service_get_pipeline_by_name(self, names: dict[str, str], _query: Any, _sent: Any) -> Any:  # noqa: ANN401
        found = next((each for each in self.pipelines.values() if each["name"] == names["name"]), None)
        if found is None:
            raise RefusedError(404, f"ResourceNotFoundError: Pipeline {names['name']} not found")
        return found

    def _pipeline_service_create_pipeline(self, _names: Any, _query: Any, sent: dict[str, Any]) -> Any:  # noqa: ANN401
        return self._made(self.pipelines, "pipeline_id", sent)

    def _pipeline_service_list_pipeline_versions(self, names: dict[str, str], query: dict[str, str], _sent: Any) -> Any:  # noqa: ANN401
        own = {key: each for key, each in self.versions.items() if each["pipeline_id"] == names["pipeline_id"]}
        return self._page(own, "pipeline_versions", query)

    def _pipeline_service_get_pipeline_version(self, names: dict[str, str], _query: Any, _sent: Any) -> Any:  # noqa: ANN401
        return self._got(self.versions, names["pipeline_version_id"])

    def _upload_pipeline_version(self, _names: Any, query: dict[str, str], sent: str) -> Any:  # noqa: ANN401
        if any(
            each["name"] == query["name"] and each["pipeline_id"] == query["pipelineid"]
            for each in self.versions.values()
        ):
            raise RefusedError(409, "Failed to create a pipeline version")
        spec, platform = [*yaml.load_all(sent, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), None][:2]
        whole = {"pipeline_spec": spec, "platform_spec": platform} if platform else spec
        told: dict[str, Any] = {key: query[key] for key in query.keys() & {"name", "display_name", "description"}}
        tags = json.loads(query.get("tags", "{}"))
        more = {"pipeline_id": query["pipelineid"], "pipeline_spec": whole, "tags": tags}
        return self._made(self.versions, "pipeline_version_id", told, **more)

    def _run_service_create_run(self, _names: Any, _query: Any, sent: dict[str, Any]) -> Any:  # noqa: ANN401
        return self._made(self.runs, "run_id", sent, state="PENDING", storage_state="AVAILABLE")

    def _run_service_get_run(self, names: dict[str, str], _query: Any, _sent: Any) -> Any:  # noqa: ANN401
        run = self._got(self.runs, names["run_id"])
        reads = self.reads.get(run["run_id"], 0)
        self.reads[run["run_id"]] = reads + 1
        self.progress(run, reads)
        workflow = self.workflows.get(run["run_id"])
        details = {"run_details": {"task_details": workflow.tasks(run["run_id"])}} if workflow else {}
        return {**run, **details}

    def _run_service_list_runs(self, _names: Any, query: dict[str, str], _sent: Any) -> Any:  # noqa: ANN401
        return self._page(self.runs, "runs", query)

    def _run_service_terminate_run(self, names: dict[str, str], _query: Any, _sent: Any) -> Any:  # noqa: ANN401
        self._got(self.runs, names["run_id"])["state"] = "CANCELING"
        return {}

    def _run_service_retry_run(self, names: dict[str, str], _query: Any, _sent: Any) -> Any:  # noqa: ANN401
        run = self._got(self.runs, names["run_id"])
        run["state"] = "RUNNING"
        run.pop("finished_at", None)
        return {}

    def _recurring_run_service_create_recurring_run(self, _names: Any, _query: Any, sent: dict[str, Any]) -> Any:  # noqa: ANN401
        status = "ENABLED" if sent.get("mode") == "ENABLE" else "DISABLED"
        return self._made(self.schedules, "recurring_run_id", sent, status=status)

    def _recurring_run_service_list_recurring_runs(self, _names: Any, query: dict[str, str], _sent: Any) -> Any:  # noqa: ANN401
        return self._page(self.schedules, "recurringRuns", query)

    def _recurring_run_service_enable_recurring_run(self, names: dict[str, str], *_: Any) -> Any:  # noqa: ANN401
        self._got(self.schedules, names["recurring_run_id"])["status"] = "ENABLED"
        return {}

    def _recurring_run_service_disable_recurring_run(self, names: dict[str, str], *_: Any) -> Any:  # noqa: ANN401
        self._got(self.schedules, names["recurring_run_id"])["status"] = "DISABLED"
        return {}

    def _recurring_run_service_delete_recurring_run(self, names: dict[str, str], *_: Any) -> Any:  # noqa: ANN401
        del self.schedules[self._got(self.schedules, names["recurring_run_id"])["recurring_run_id"]]
        return {}

    def _made(self, kept: dict[str, Any], key: str, sent: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
        identifier = str(uuid.uuid4())
        created = _START + timedelta(minutes=len(kept))
        kept[identifier] = {**sent, key: identifier, "created_at": created.isoformat().replace("+00:00", "Z"), **more}
        return dict(kept[identifier])

    def _got(self, kept: dict[str, Any], identifier: str) -> dict[str, Any]:
        if identifier not in kept:
            raise RefusedError(404, f"ResourceNotFoundError: {identifier} not found")
        found: dict[str, Any] = kept[identifier]
        return found

    def _page(self, kept: dict[str, Any], name: str, query: dict[str, str]) -> dict[str, Any]:
        found = list(kept.values())
        if "filter" in query:
            asked = json.loads(query["filter"])
            self.violations += [f"filter{each}" for each in problems(asked, "V2beta1Filter")]
            found = [each for each in found if all(_holds(predicate, each) for predicate in asked["predicates"])]
        if query.get("experiment_id"):
            found = [each for each in found if each.get("experiment_id") == query["experiment_id"]]
        if query.get("sort_by", "").endswith(" desc"):
            found.reverse()
        start, size = int(query.get("page_token") or 0), self.page_size or int(query.get("page_size") or 10)
        more = {"next_page_token": str(start + size)} if start + size < len(found) else {}
        return {name: found[start : start + size], "total_size": len(found), **more}


def _holds(predicate: dict[str, Any], kept: dict[str, Any]) -> bool:
    value, text = str(kept.get(predicate["key"], "")), str(predicate["string_value"])
    return {"EQUALS": value == text, "IS_SUBSTRING": text in value}[predicate["operation"]]

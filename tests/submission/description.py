"""KFP's own description of its v2beta1 API, from its generated client: paths, parameters, bodies and types.

``kfp_server_api`` is generated from the OpenAPI file of KFP's release. Its sources hold every path with its method,
parameters and type of answer; its models hold every field with its type, and every enumeration.
"""

import inspect
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import kfp_server_api

_CALL = re.compile(r"call_api\(\s*'(?P<path>[^']+)', '(?P<method>[A-Z]+)'")
_QUERY = re.compile(r"query_params\.append\(\('(\w+)'")
_BODY = re.compile(r"body_params = local_var_params\['(\w+)'\]")
_ANSWER = re.compile(r"response_type='([^']+)'")
_LIST, _DICT = re.compile(r"list\[(.+)\]"), re.compile(r"dict\(str, (.+)\)")


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        name: Name of the client's method.
        method: HTTP method.
        path: Path with names in braces.
        query: Names of the parameters of its query.
        body: Type of its body; empty for none.
        form: True if a file is uploaded as a form.
        answer: Type of its answer.
    """

    name: str
    method: str
    path: str
    query: frozenset[str]
    body: str
    form: bool
    answer: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """The path as an expression with a group per name."""
        parts = re.split(r"\{([\w.]+)\}", self.path)
        texts = [
            re.escape(part) if at % 2 == 0 else f"(?P<{part.replace('.', '_')}>[^/:]+)" for at, part in enumerate(parts)
        ]
        return re.compile("".join(texts))


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations; those with fewer names in their paths come first, as they are meant more exactly."""
    found = []
    for name in dir(kfp_server_api):
        api = getattr(kfp_server_api, name)
        if not name.endswith("ServiceApi"):
            continue
        for method_name, method in inspect.getmembers(api, inspect.isfunction):
            if not method_name.endswith("_with_http_info"):
                continue
            source = inspect.getsource(method)
            call, body = _CALL.search(source), _BODY.search(source)
            answer = _ANSWER.search(source)
            assert call, method_name
            assert answer, method_name
            kind = re.search(rf":type {body[1]}: (\w+)", source) if body else None
            found.append(
                Operation(
                    name=method_name.removesuffix("_with_http_info"),
                    method=call["method"],
                    path=call["path"],
                    query=frozenset(_QUERY.findall(source)),
                    body=kind[1] if kind else "",
                    form="local_var_files['uploadfile']" in source,
                    answer=answer[1],
                )
            )
    return tuple(sorted(found, key=lambda each: each.path.count("{")))


def problems(value: Any, kind: str, where: str = "") -> list[str]:  # noqa: ANN401 - any JSON value
    """Return what about a JSON value is not of a type of the description."""
    if kind == "object":
        return []
    if kind in ("str", "int", "bool", "float"):
        expected = {"str": str, "int": int, "bool": bool, "float": float}[kind]
        fits = isinstance(value, expected) and not (kind == "int" and isinstance(value, bool))
        return [] if fits else [f"{where}: {value!r} is not a {kind}"]
    if kind == "datetime":
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return [f"{where}: {value!r} is not a time"]
        return []
    if found := _LIST.fullmatch(kind):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is not a list"]
        return [each for at, inner in enumerate(value) for each in problems(inner, found[1], f"{where}[{at}]")]
    if found := _DICT.fullmatch(kind):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is not an object"]
        return [each for key, inner in value.items() for each in problems(inner, found[1], f"{where}.{key}")]
    return _problems_of_model(value, getattr(kfp_server_api, kind), where)


def _problems_of_model(value: Any, model: Any, where: str) -> list[str]:  # noqa: ANN401
    if hasattr(model, "allowable_values"):
        return [] if value in model.allowable_values else [f"{where}: {value!r} is not a {model.__name__}"]
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is not a {model.__name__}"]
    kinds = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    unknown = [f"{where}.{key}: no field of {model.__name__}" for key in value if key not in kinds]
    known = [
        each for key, inner in value.items() if key in kinds for each in problems(inner, kinds[key], f"{where}.{key}")
    ]
    return unknown + known

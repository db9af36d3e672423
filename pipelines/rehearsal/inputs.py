"""The executor input of one step, as KFP's driver would resolve it and pass it to the launcher."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_PARAMETERS = "/tmp/kfp/outputs"
OUTPUT_FILE = "/tmp/kfp_outputs/output_metadata.json"


def executor_input(
    component: Mapping[str, Any], *, parameters: Mapping[str, Any], artifacts: Mapping[str, Any], root: str
) -> Json:
    """Return the executor input.

    Args:
        component: The component, with its definitions of inputs and outputs.
        parameters: Values of its input parameters by name; others get their defaults.
        artifacts: Its input artifacts by name, each a list of runtime artifacts (name, uri, type, metadata).
        root: ``s3://`` prefix below which its output artifacts are stored.
    """
    defined: Mapping[str, Any] = component.get("inputDefinitions", {}).get("parameters", {})
    defaults = {name: each["defaultValue"] for name, each in defined.items() if "defaultValue" in each}
    values = defaults | {name: value for name, value in parameters.items() if value is not None}
    outputs = component.get("outputDefinitions", {})
    return {
        "inputs": {
            "parameterValues": {name: _typed(value, defined.get(name, {})) for name, value in values.items()},
            "artifacts": {name: {"artifacts": list(each)} for name, each in artifacts.items()},
        },
        "outputs": {
            "parameters": {name: {"outputFile": f"{_PARAMETERS}/{name}"} for name in outputs.get("parameters", {})},
            "artifacts": {
                name: {
                    "artifacts": [
                        {"name": name, "uri": f"{root}/{name}", "type": dict(each["artifactType"]), "metadata": {}}
                    ]
                }
                for name, each in outputs.get("artifacts", {}).items()
            },
            "outputFile": OUTPUT_FILE,
        },
    }


def parsed(text: str, kind: str) -> Any:  # noqa: ANN401 - the value of a parameter
    """Return the value of a parameter that was written as text.

    Args:
        text: The text.
        kind: Type of the parameter: ``STRING``, ``NUMBER_INTEGER``, ``NUMBER_DOUBLE``, ``BOOLEAN``, ``LIST`` or
            ``STRUCT``.

    Raises:
        ValueError: The text is not a value of that type.
    """
    import json

    if kind == "STRING":
        return text
    value = json.loads(text.lower() if kind == "BOOLEAN" else text)
    accepted = {"BOOLEAN": bool, "LIST": list, "STRUCT": dict, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": int | float}
    if not isinstance(value, accepted[kind]) or (kind.startswith("NUMBER") and isinstance(value, bool)):
        raise ValueError(f"{text!r} is not a {kind}")
    return value


def _typed(value: Any, definition: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the value of a parameter
    """Return integers as such; protobuf hands them on as floats."""
    if definition.get("parameterType") == "NUMBER_INTEGER" and not isinstance(value, bool):
        return int(value)
    return value

"""Parameters of a run as text, and the executor input's numbers."""

import pytest

from merflow.pipelines.rehearsal.inputs import executor_input, parsed


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("tiny", "STRING", "tiny"),
        ('["a"]', "STRING", '["a"]'),
        ("3", "NUMBER_INTEGER", 3),
        ("0.5", "NUMBER_DOUBLE", 0.5),
        ("True", "BOOLEAN", True),
        ('["a", "b"]', "LIST", ["a", "b"]),
        ('{"a": 1}', "STRUCT", {"a": 1}),
    ],
)
def test_text_becomes_what_the_parameter_is(text: str, kind: str, value: object) -> None:
    assert parsed(text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [("a", "LIST"), ('"a"', "LIST"), ("3.5", "NUMBER_INTEGER"), ("true", "NUMBER_INTEGER"), ("1", "BOOLEAN")],
)
def test_other_text_is_refused(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=r"is no|Expecting value"):
        parsed(text, kind)


def test_defaults_stand_in_and_integers_stay_integers() -> None:
    definitions = {
        "epochs": {"parameterType": "NUMBER_INTEGER"},
        "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5},
        "note": {"parameterType": "STRING", "isOptional": True},
    }
    component = {"inputDefinitions": {"parameters": definitions}}
    made = executor_input(component, parameters={"epochs": 3.0, "note": None}, artifacts={}, root="s3://b/run")
    values = made["inputs"]["parameterValues"]
    assert values == {"epochs": 3, "rate": 0.5}
    assert type(values["epochs"]) is int

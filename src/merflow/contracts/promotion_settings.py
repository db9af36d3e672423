"""The settings by which the pipeline ``promote`` continues from a benchmark, as a user gives them."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from merflow.contracts.gate_decision import Mode
from merflow.contracts.model_package import Kind
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError, nearest

BEST = "best"  # instead of a variant: the best one of the results


class PromotionSettings(Strict):
    """The settings.

    Attributes:
        variant: ``model:preset`` of the variant to promote, or ``best`` (:data:`BEST`).
        kind: ``refit`` on all data, or ``ensemble`` of the fold models.
        registered_name: The registered model in MLflow.
        mode: ``enforce`` refuses a version that fails a check of the gate, ``warn`` promotes it and says what failed,
            ``dry-run`` decides and records nothing.
        policy: Text of a policy file; empty for merflow's own policy.
        coverage: Share of the conformal sets that should contain the true emotion.
        stress_utterances: Number of test utterances of the stress suite; 0 leaves it out.
        approval_h: Hours to wait for a person's approval, counted from the decision; 0 asks for none.
    """

    variant: str = BEST
    kind: Kind = "refit"
    registered_name: Annotated[str, Field(min_length=1)] = "merflow"
    mode: Mode = "enforce"
    policy: str = ""
    coverage: Annotated[float, Field(ge=0.5, le=0.999)] = 0.9
    stress_utterances: Annotated[int, Field(ge=0)] = 400
    approval_h: Annotated[float, Field(ge=0)] = 0.0


def promotion_of(given: Iterable[str]) -> dict[str, Any]:
    """Return the settings that somebody wrote as ``NAME=VALUE``, checked; those that were left out are absent.

    The value of ``policy`` is the path of a policy file, whose text is returned.

    Raises:
        ParamsError: A name or a value is wrong, or the policy file cannot be read.
    """
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in PromotionSettings.model_fields:
            raise ParamsError(
                f"--arg {text}: promote takes NAME=VALUE, such as kind=ensemble; "
                f"{nearest(name, PromotionSettings.model_fields)}"
            )
        values[name] = _value(name, value)
    settings = parse(PromotionSettings, values, where="--arg")
    return {name: getattr(settings, name) for name in values}


def benchmark_command(command: str) -> str:
    """Return the command that repeats the benchmark of a promotion, without promoting anything."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        if word == "--arg":
            next(words, None)
        elif word == "promote" or Path(word).name == "promote.yaml":
            kept.append(str(Path(word).with_name(Path(word).name.replace("promote", "benchmark"))))
        elif not word.startswith("--arg="):
            kept.append(word)
    return shlex.join(kept)


def _value(name: str, text: str) -> Any:  # noqa: ANN401 - as the settings
    if name == "policy" and text:
        try:
            return Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParamsError(f"--arg policy={text}: cannot read the file ({error}); name a policy file") from error
    return yaml.safe_load(text) if PromotionSettings.model_fields[name].annotation in (int, float) else text

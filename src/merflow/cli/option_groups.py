"""Groups of options that several commands share: each group is a dataclass, and its fields are the options."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from typing import Any


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command as Typer reads it: in place of a parameter that is a group, it has the group's options.

    Args:
        command: A command; each parameter whose type is a dataclass gets an object of it.
    """
    parameters = inspect.signature(command).parameters
    types: dict[str, Any] = {name: each.annotation for name, each in parameters.items()}
    groups = {name: each for name, each in types.items() if isinstance(each, type) and is_dataclass(each)}
    options = {name: inspect.signature(group).parameters for name, group in groups.items()}

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - the values of options
        made = {name: groups[name](**{each: given.pop(each) for each in options[name]}) for name in groups}
        command(**given, **made)

    flat = [option for name, each in parameters.items() for option in options.get(name, {name: each}).values()]
    keywords = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in flat]
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    return run

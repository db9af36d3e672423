"""Runs expectations with Great Expectations and writes its Data Docs; the only file that imports the library."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from merflow.errors import CorpusError
from merflow.storage.local import replacing_folder

SITE = "merflow"


@dataclass(frozen=True)
class Rule:
    """One expectation and the words for it.

    Attributes:
        about: Which table it is about.
        expects: What is expected, in words.
        build: The expectation, made from the module ``great_expectations.expectations``.
        detail: Words for a row that does not meet it, with the table's columns as fields.
    """

    about: str
    expects: str
    build: Callable[[ModuleType], Any]
    detail: str


@dataclass(frozen=True)
class Finding:
    """What came of one rule.

    Attributes:
        checked: Rows that have a value to look at; 1 for a rule about a whole table.
        positions: Rows that do not meet it; empty for a rule about a whole table.
    """

    rule: Rule
    success: bool
    checked: int
    positions: tuple[int, ...]


def run_rules(rules: Sequence[Rule], *, tables: Mapping[str, pd.DataFrame], docs: Path) -> list[Finding]:
    """Checks each rule on its table, and writes the Data Docs site into ``docs``.

    Args:
        rules: In the order of the findings.
        tables: By the rules' ``about``; the index is 0..n-1.
        docs: Folder of the site, replaced as a whole; its ``index.html`` is the way in.

    Raises:
        CorpusError: Great Expectations is not installed.
        OutputError: The folder cannot be written.
    """
    try:
        import great_expectations
    except ImportError as error:
        raise CorpusError(
            "validation needs Great Expectations, which is not installed; run: pip install 'merflow[validation]'"
        ) from error
    with _quiet(), replacing_folder(docs) as folder:
        context = _context(great_expectations, folder)
        source = context.data_sources.add_pandas("corpus")
        found: dict[int, Finding] = {}
        for name, table in tables.items():
            mine = [number for number, rule in enumerate(rules) if rule.about == name]
            expectations = [_build(rules[number], number, great_expectations.expectations) for number in mine]
            if not expectations:
                continue
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
            suite = context.suites.add(great_expectations.ExpectationSuite(name=name, expectations=expectations))
            definition = great_expectations.ValidationDefinition(name=name, data=batch, suite=suite)
            result = context.validation_definitions.add(definition).run(
                batch_parameters={"dataframe": table.assign(position=table.index)},
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["position"]},
            )
            found |= {number: _finding(rules[number], outcome) for number, outcome in _numbered(result.results)}
        context.build_data_docs(site_names=[SITE])
    return [found[number] for number in range(len(rules))]


def _context(library: ModuleType, folder: Path) -> Any:  # noqa: ANN401 - a library without types
    from great_expectations.data_context.types import base

    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
    }
    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        data_docs_sites={SITE: site},
        progress_bars=base.ProgressBarsConfig(globally=False),
    )
    return library.get_context(mode="ephemeral", project_config=config)


def _build(rule: Rule, number: int, module: ModuleType) -> Any:  # noqa: ANN401 - a library without types
    expectation = rule.build(module)
    expectation.meta = {"rule": number}
    expectation.notes = rule.expects
    return expectation


def _numbered(results: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    return ((result.expectation_config.meta["rule"], result) for result in results)


def _finding(rule: Rule, outcome: Any) -> Finding:  # noqa: ANN401 - a library without types
    result = outcome.to_json_dict()["result"]
    if not outcome.success and not result:
        # The library hands back an error inside an expectation as a failed expectation; it is a fault of the rule.
        raise RuntimeError(f"expectation {rule.expects!r} cannot be evaluated: {outcome.exception_info}")
    positions = tuple(sorted(int(entry["position"]) for entry in result.get("unexpected_index_list") or ()))
    checked = result.get("element_count", 1) - result.get("missing_count", 0)
    return Finding(rule, success=bool(outcome.success), checked=checked, positions=positions)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

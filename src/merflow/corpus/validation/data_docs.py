"""Checks of rules with Great Expectations, and its Data Docs; no other file imports the library."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from merflow.contracts.quiet_loggers import quiet
from merflow.errors import CorpusError
from merflow.storage.local import replacing_folder

SITE = "merflow"


@dataclass(frozen=True)
class Rule:
    """One expectation and its texts.

    Attributes:
        table: Name of the table that is checked.
        expectation: The expectation as text.
        build: Builds it from the module ``great_expectations.expectations``.
        detail: Text for a row that fails it, with the table's columns as fields.
    """

    table: str
    expectation: str
    build: Callable[[ModuleType], Any]
    detail: str


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule.

    Attributes:
        checked: Number of rows that have a value to check; 1 for a rule about a whole table.
        positions: Positions of the rows that fail; empty for a rule about a whole table.
    """

    rule: Rule
    success: bool
    checked: int
    positions: tuple[int, ...]


def run_rules(rules: Sequence[Rule], *, tables: Mapping[str, pd.DataFrame], docs: Path) -> list[RuleResult]:
    """Check each rule on its table, and write the Data Docs site into ``docs``.

    Args:
        rules: The rules; the results have the same order.
        tables: Tables by name, each with the index 0..n-1.
        docs: Folder of the site, replaced as a whole; start with its ``index.html``.

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
    with quiet("great_expectations"), replacing_folder(docs) as folder:
        context = _context(great_expectations, folder)
        source = context.data_sources.add_pandas("corpus")
        results: dict[int, RuleResult] = {}
        for name, table in tables.items():
            numbers = [number for number, rule in enumerate(rules) if rule.table == name]
            expectations = [_build(rules[number], number, great_expectations.expectations) for number in numbers]
            if not expectations:
                continue
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
            suite = context.suites.add(great_expectations.ExpectationSuite(name=name, expectations=expectations))
            definition = great_expectations.ValidationDefinition(name=name, data=batch, suite=suite)
            result = context.validation_definitions.add(definition).run(
                batch_parameters={"dataframe": table.assign(position=table.index)},
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["position"]},
            )
            results |= {number: _result(rules[number], outcome) for number, outcome in _numbered(result.results)}
        context.build_data_docs(site_names=[SITE])
    return [results[number] for number in range(len(rules))]


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
    expectation.notes = rule.expectation
    return expectation


def _numbered(results: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    return ((result.expectation_config.meta["rule"], result) for result in results)


def _result(rule: Rule, outcome: Any) -> RuleResult:  # noqa: ANN401 - a library without types
    result = outcome.to_json_dict()["result"]
    if not outcome.success and not result:
        # The library reports an error inside an expectation as a failed expectation, but the rule is at fault.
        raise RuntimeError(f"expectation {rule.expectation!r} cannot be evaluated: {outcome.exception_info}")
    positions = tuple(sorted(int(entry["position"]) for entry in result.get("unexpected_index_list") or ()))
    checked = result.get("element_count", 1) - result.get("missing_count", 0)
    return RuleResult(rule, success=bool(outcome.success), checked=checked, positions=positions)

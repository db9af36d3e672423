"""Versions, stories and audits of the registry as text for people."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.tree import Tree

if TYPE_CHECKING:
    from merflow.contracts.registered_version import RegisteredVersion
    from merflow.promotion.registry.audit import Audit
    from merflow.promotion.registry.lines import AuditLine
    from merflow.promotion.registry.promote import Promotion
    from merflow.promotion.registry.story import Story


def versions_table(name: str, versions: Sequence["RegisteredVersion"]) -> Iterator[str]:
    """Yield the lines of a table of versions."""
    rows: list[tuple[str, ...]] = [("version", "aliases", "variant", "kind", "predicts", "registered (UTC)", "")]
    rows += [_row(version) for version in versions]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield f"{len(versions)} version(s) of {name!r}"


def story_tree(told: "Story") -> Tree:
    """Return the story of a version as a tree."""
    version, facts = told.version, told.version.facts
    aliases = f", {' and '.join(version.aliases)}" if version.aliases else ""
    tree = Tree(f"[bold]{escape(version.title)}[/bold]{escape(aliases)}")
    if version.forced:
        tree.add("[bold]was promoted by force[/bold]")
    package = tree.add("[bold]package[/bold]")
    if facts is None:
        package.add("registered without merflow: nothing is known about it")
    else:
        package.add(escape(f"{facts.variant}, {facts.kind}, digest {facts.package}"))
        package.add(escape(f"{facts.predicts}, corpus {facts.corpus}, splits {facts.split_id}"))
        if facts.synthetic:
            package.add("trained on the synthetic corpus: its figures say nothing about people")
    package.add(escape(f"registered at {version.created_at[:19].replace('T', ' ')} UTC"))
    package.add(escape(version.source) if told.has_files else escape(f"{version.source}: its files are gone"))
    package.add(f"card: {escape(told.card)}" if told.card else "no card")
    for address in filter(None, (told.page, told.run_page)):
        package.add(escape(address))
    if told.figures:
        figures = tree.add("[bold]test figures of the cross-validation[/bold]")
        for key, value in told.figures.items():
            figures.add(escape(f"{key} {value:.4f}"))
    history = tree.add("[bold]history[/bold]" if told.entries else "[bold]history[/bold]: none")
    for line in _lines(told.entries):
        history.add(escape(_in_one_line(line)))
    return tree


def audit_text(audited: "Audit") -> Iterator[str]:
    """Yield the lines of an audit."""
    aliases = ", ".join(f"{alias} {version}" for alias, version in sorted(audited.aliases.items()))
    yield f"audit trail of {audited.name!r} at {audited.uri}; aliases: {aliases or 'none'}"
    for line in _lines(audited.entries):
        yield f"{line.numbers:>8}  {_in_one_line(line)}"
    for note in audited.notes:
        yield f"note: {note}"
    for problem in audited.problems:
        yield f"PROBLEM: {problem}"
    if not audited.problems:
        yield f"{len(audited.entries)} entries, no gap and no change"


def outcome_json(done: "Promotion") -> dict[str, Any]:
    """Return the outcome of a promotion as JSON values."""
    return {
        "status": done.status,
        "version": done.version.version,
        "champion_before": None if done.champion is None else done.champion.version,
        "decision": done.decision,
        "sentences": list(done.sentences),
        "entry": None if done.entry is None else done.entry.model_dump(mode="json"),
    }


def _lines(entries: Sequence[Any]) -> list["AuditLine"]:
    from merflow.promotion.registry.lines import audit_lines

    return audit_lines(entries)


def _row(version: "RegisteredVersion") -> tuple[str, ...]:
    facts = version.facts
    known = ("not merflow's", "", "") if facts is None else (facts.variant, facts.kind, facts.predicts)
    return (
        str(version.version),
        ", ".join(version.aliases),
        *known,
        version.created_at[:19].replace("T", " "),
        "by force" if version.forced else "",
    )


def _in_one_line(line: "AuditLine") -> str:
    version = f"version {line.version} " if line.version else ""
    moves = f" ({', '.join(line.moves)})" if line.moves else ""
    rest = "".join(f"; {part.rstrip('.')}" for part in (line.why, line.evidence, line.state) if part)
    return f"{line.at}  {line.who}: {version}{line.title}{moves}{rest}"

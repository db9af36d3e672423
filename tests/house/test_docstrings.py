"""Tests of the docstring check that ``make check`` runs."""

from pathlib import Path

from tools.check_docstrings import fragments


def test_fragments_are_found_in_files_classes_functions_and_properties(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""What this is."""\n\n\nclass A:\n    """As B."""\n\n    @property\n    def size(self) -> int:\n'
        '        """How many."""\n\n    def whole(self) -> bool:\n        """True if it is whole."""\n'
    )
    assert list(fragments(path)) == [(1, "What this is."), (4, "As B."), (8, "How many.")]


def test_words_that_only_begin_alike_pass(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""Offsets and forms."""\n\n\ndef ask() -> None:\n    """Ask for a name."""\n')
    assert list(fragments(path)) == []

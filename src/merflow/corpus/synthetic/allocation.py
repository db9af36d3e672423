"""Turns of the full release: whole numbers that meet every public count of the real release at once.

Two steps: first the number of turns of each label and speaker in each block of dialogues (a session's improvised or
scripted dialogues of one recording letter), then their distribution over the dialogues of the block.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, eye_array, hstack

from merflow.corpus.iemocap_counts import iemocap_counts
from merflow.corpus.synthetic.census import CODES, LETTERS, Census, DialogueName, scene_lean

_FOUR_CLASSES = {"ang": "ang", "exc": "hap", "hap": "hap", "neu": "neu", "sad": "sad"}
_FITTING_ROUNDS = 200


class Cell(NamedTuple):
    """Turns of one label and speaker in a block (given by its type) or in a dialogue (given by its name)."""

    session: int
    recording: str
    group: str
    letter: str
    code: str


@dataclass
class Table:
    """Unknown counts, one per cell, and the totals that groups of cells must have."""

    cells: Sequence[Cell]
    groups: list[np.ndarray] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)

    def demand(self, key: Callable[[Cell], Hashable], totals: Mapping[Any, int]) -> None:
        """Require that the cells with the same key add up to the total of the key; other cells stay free."""
        members: dict[Hashable, list[int]] = {}
        for index, cell in enumerate(self.cells):
            members.setdefault(key(cell), []).append(index)
        for name, total in totals.items():
            assert name in members or total == 0, name
            self.groups.append(np.array(members.get(name, []), dtype=np.int64))
            self.totals.append(total)

    def solve(self, prior: np.ndarray) -> np.ndarray:
        """Return whole numbers that meet every total and stay close to the prior.

        Proportional fitting finds the real numbers with the least relative entropy to the prior. An integer program
        then rounds them with the least sum of absolute changes.
        """
        values = prior.astype(np.float64)
        for _ in range(_FITTING_ROUNDS):
            for group, total in zip(self.groups, self.totals, strict=True):
                values[group] *= total / max(float(values[group].sum()), 1e-12)
        return self._round(values)

    def _round(self, values: np.ndarray) -> np.ndarray:
        count = len(values)
        row = np.repeat(np.arange(len(self.groups)), [len(group) for group in self.groups])
        shape = (len(self.groups), count)
        sums = coo_array((np.ones(len(row)), (row, np.concatenate(self.groups))), shape)
        one = eye_array(count)
        # Unknowns: the counts, then a bound on the change of each.
        solution = milp(
            np.concatenate([np.zeros(count), np.ones(count)]),
            integrality=np.concatenate([np.ones(count), np.zeros(count)]),
            bounds=Bounds(
                np.concatenate([np.maximum(np.floor(values) - 1, 0), np.zeros(count)]),
                np.concatenate([np.ceil(values) + 1, np.full(count, np.inf)]),
            ),
            constraints=[
                LinearConstraint(hstack([sums, coo_array(shape)]), self.totals, self.totals),
                LinearConstraint(hstack([one, -one]), -np.inf, values),
                LinearConstraint(hstack([one, one]), values, np.inf),
            ],
            options={"mip_rel_gap": 0.05},
        )
        assert solution.success, solution.message
        return np.asarray(np.rint(solution.x[:count]), dtype=np.int64)


def full_census(seed: int) -> Census:
    """Return the 151 dialogues of the real release, with turns of each label and speaker that meet its counts."""
    names = [DialogueName.parse(text) for text in iemocap_counts()["turns_by_dialogue"]]
    in_blocks = _blocks(names)
    counts: Census = {name: Counter() for name in names}
    for session, recording, kind in product(range(1, 6), LETTERS, ("impro", "script")):
        members = [n for n in names if (n.session, n.recording, _kind(n)) == (session, recording, kind)]
        wanted = {
            (cell.letter, cell.code): n
            for cell, n in in_blocks.items()
            if (cell.session, cell.recording, cell.group) == (session, recording, kind)
        }
        for cell, n in _spread(members, wanted, seed).items():
            if n:
                counts[DialogueName.parse(cell.group)][cell.letter, cell.code] = n
    return counts


def _blocks(names: Sequence[DialogueName]) -> dict[Cell, int]:
    known = iemocap_counts()
    turns: Counter[Hashable] = Counter()
    for name in names:
        turns[name.session, name.recording, _kind(name)] += known["turns_by_dialogue"][str(name)]
    cells = [Cell(*key) for key in product(range(1, 6), LETTERS, ("impro", "script"), LETTERS, CODES)]
    table = Table(cells)
    table.demand(lambda c: (c.session, c.recording, c.group), turns)
    table.demand(
        lambda c: (c.session, c.code),
        {(k + 1, code): n for code, row in known["labels_by_session"].items() for k, n in enumerate(row)},
    )
    table.demand(lambda c: f"Ses0{c.session}{c.letter}", known["turns_by_speaker"])
    table.demand(
        lambda c: (f"Ses0{c.session}{c.letter}", _FOUR_CLASSES.get(c.code)), _flat(known["four_classes_by_speaker"])
    )
    table.demand(lambda c: (c.group, c.code), _flat(known["four_classes_by_type"]))
    table.demand(
        lambda c: (c.letter == c.recording, _FOUR_CLASSES.get(c.code)),
        {(True, label): n for label, n in known["four_classes_of_marker_wearer"].items()},
    )
    table.demand(lambda c: c.letter == c.recording, {True: known["turns_of_marker_wearer"]})
    table.demand(lambda c: c.recording if c.code in _FOUR_CLASSES else None, known["four_classes_by_recording"])
    solution = table.solve(np.ones(len(cells)))
    return {cell: int(n) for cell, n in zip(cells, solution, strict=True)}


def _spread(members: Sequence[DialogueName], wanted: dict[tuple[str, str], int], seed: int) -> dict[Cell, int]:
    """Distribute the turns of a block over its dialogues; each dialogue favors the emotions of its scene."""
    known = iemocap_counts()
    cells = [Cell(n.session, n.recording, str(n), *key) for n in members for key in wanted]
    table = Table(cells)
    table.demand(lambda c: c.group, {str(n): known["turns_by_dialogue"][str(n)] for n in members})
    table.demand(lambda c: (c.letter, c.code), wanted)
    four = {str(n): known["four_classes_by_dialogue"].get(str(n)) for n in members}
    table.demand(
        lambda c: c.group if c.code in _FOUR_CLASSES else None, {group: n for group, n in four.items() if n is not None}
    )
    lean = {(str(n), code): scene_lean(seed, str(n), code) for n in members for code in CODES}
    solution = table.solve(np.array([lean[cell.group, cell.code] for cell in cells]))
    return {cell: int(n) for cell, n in zip(cells, solution, strict=True)}


def _kind(name: DialogueName) -> str:
    return "script" if name.scripted else "impro"


def _flat(rows: dict[str, dict[str, int]]) -> dict[Hashable, int]:
    return {(row, column): n for row, columns in rows.items() for column, n in columns.items()}

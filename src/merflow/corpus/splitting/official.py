"""The corpus's own split, from the column ``official_split`` of its table."""

from itertools import combinations

import pandas as pd

from merflow.contracts.protocols import PARTS, Part
from merflow.contracts.split_params import SplitParams
from merflow.corpus.splitting.leakage import Shared, shared_between
from merflow.errors import SplitError

_LISTED = 5


def official_parts(labelled: pd.DataFrame, *, params: SplitParams) -> dict[Part, pd.DataFrame]:
    """Return the rows of each official part, of which ``dev`` may be empty.

    Raises:
        SplitError: The column is empty, or lacks training or test data; or parts share a speaker or dialogue, and
            ``splits.shared_speakers`` does not say that this is known.
    """
    column = labelled["official_split"]
    if column.isna().all():
        raise SplitError(
            "protocol official reads the column official_split, which has no value; write train, dev or test into that "
            "column of the table and index it again, or choose another splits.protocol"
        )
    parts: dict[Part, pd.DataFrame] = {part: labelled[column == part] for part in PARTS}
    for part in ("train", "test"):
        if parts[part].empty:
            raise SplitError(
                f"the column official_split has no {part} among the labelled utterances; add it, or choose another "
                "splits.protocol"
            )
    if params.shared_speakers == "refuse" and (shared := shared_of(parts)):
        raise SplitError(_refusal(shared, parts))
    return parts


def shared_of(parts: dict[Part, pd.DataFrame]) -> tuple[Shared, ...]:
    """Return the speakers and dialogues that any two parts have in common."""
    return tuple(
        each
        for first, second in combinations(PARTS, 2)
        for name in ("speaker", "dialogue_id")
        for each in shared_between(name, first=parts[first], second=parts[second], parts=(first, second))
    )


def _refusal(shared: tuple[Shared, ...], parts: dict[Part, pd.DataFrame]) -> str:
    lines = ["the official split has speakers or dialogues in two parts"]
    for each in shared[:_LISTED]:
        places = [_place(parts[part], each, part=part) for part in each.parts]
        lines.append(f"  {each.word} {each.name} is in {' and '.join(places)}")
    if len(shared) > _LISTED:
        lines.append(f"  and {len(shared) - _LISTED} more")
    lines.append(
        "correct the column official_split, or set splits.shared_speakers=record, which keeps the split and says so"
    )
    return "\n".join(lines)


def _place(rows: pd.DataFrame, each: Shared, *, part: Part) -> str:
    own = rows.loc[rows[each.column] == each.name, "utterance_id"]
    return f"{part} ({len(own)} utterance{'s' if len(own) > 1 else ''}: {own.iloc[0]}{', ...' if len(own) > 1 else ''})"

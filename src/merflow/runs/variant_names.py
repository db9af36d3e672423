"""Names of variants in one report, where the same preset may have been trained with several encoders."""

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from merflow.runs.run_folder import TrainedFold


def named(folds: Iterable[TrainedFold]) -> dict[str, tuple[TrainedFold, ...]]:
    """Return the folds by the name of their variant, in the order of their first folds.

    A variant with one set of encoders is ``model:preset``. One with several is ``model:preset@profile``, and if those
    profiles have the same name, a digest of the encoders follows.
    """
    by_encoders: dict[str, dict[str, list[TrainedFold]]] = defaultdict(lambda: defaultdict(list))
    for fold in folds:
        by_encoders[fold.record.variant][fold.record.encoders_digest].append(fold)
    names: dict[str, tuple[TrainedFold, ...]] = {}
    for variant, groups in by_encoders.items():
        profiles = [group[0].record.profile for group in groups.values()]
        for digest, group in groups.items():
            profile = group[0].record.profile
            suffix = f"-{digest[:4]}" if profiles.count(profile) > 1 else ""
            names[variant if len(groups) == 1 else f"{variant}@{profile}{suffix}"] = tuple(group)
    return names


def under_name(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a prediction table of a variant under its name in the report."""
    model, _, preset = name.rpartition(":")
    return table.assign(model=model, preset=preset)

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from merflow.contracts.comparisons import ALPHA
from merflow.contracts.results import FORMAT, Results, read_results
from merflow.contracts.scores import Accuracy
from merflow.errors import FormatError, MerflowError
from merflow.storage.local import write_json
from tests.evaluation.finished import (
    NAMES,
    changed,
    comparison,
    results_of_three,
    side_columns,
    variant,
    with_statistics,
)


def whole() -> Results:
    """Results with every optional part."""
    return changed(with_statistics(results_of_three()), NAMES[0], **side_columns())


def test_written_results_are_read_again_to_the_last_digit(tmp_path: Path) -> None:
    ua = Accuracy(mean=1 / 3, std=None, pooled=0.1 + 0.2, ci95=(5e-324, 1 - 2**-53))
    written = changed(whole(), NAMES[1], ua=ua, per_class_recall={"angry": 2 / 3, "sad": None})
    written.write(tmp_path / "results.json")
    found = read_results(tmp_path / "results.json")
    assert found == written
    assert found.variants[NAMES[1]].ua == ua
    found.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "results.json").read_bytes()


@pytest.mark.parametrize("ua", [float("nan"), float("inf"), None])
def test_a_figure_is_a_finite_number(ua: float) -> None:
    with pytest.raises(ValidationError, match="pooled"):
        Accuracy(mean=0.5, std=None, pooled=ua)


def test_the_best_variant_comes_first_and_equal_ones_in_alphabetical_order() -> None:
    variants = {"m:b": variant(0.5), "m:c": variant(0.6), "m:a": variant(0.5), "m:d": variant(0.6)}
    results = results_of_three().model_copy(update={"variants": variants})
    assert results.ranked == ("m:c", "m:d", "m:a", "m:b")
    assert results.best == "m:c"
    assert results.model_copy(update={"variants": {"m:x": variant(0.1)}}).best == "m:x"


def test_a_pair_is_significant_below_the_level_alone() -> None:
    found = [comparison("m:a", "m:b", delta_ua=0.1, p=p).significant for p in (ALPHA - 1e-9, ALPHA, 1.0)]
    assert found == [True, False, False]


def test_a_variant_knows_its_pairs_and_the_other_of_each() -> None:
    results = results_of_three()
    assert [pair.other(NAMES[1]) for pair in results.comparisons_of(NAMES[1])] == [NAMES[0], NAMES[2]]


@pytest.mark.parametrize(
    ("head", "writer"),
    [
        ({"variants": {}}, "an earlier merflow (format 1)"),
        ({"format": 99, "written_by": "9.1"}, "merflow 9.1 (format 99)"),
    ],
)
def test_a_file_of_another_version_says_who_wrote_it_and_what_to_do(head: object, writer: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, head)
    with pytest.raises(FormatError) as refusal:
        read_results(path)
    assert str(refusal.value) == (
        f"{path} was written by {writer}; this version reads format {FORMAT}; evaluate the folds again: repeat the "
        "benchmark's command, which keeps its finished folds, or run merflow evaluate FOLDS --manifest MANIFEST "
        f"--splits SPLITS --out {tmp_path}"
    )


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda values: values["variants"][NAMES[0]]["ua"].pop("pooled"),
            r"mmt-frozen\.ua\.pooled: Field required",
        ),
        (lambda values: values["variants"][NAMES[0]]["ua"].update(pooled=float("nan")), r"ua\.pooled: .*finite number"),
        (lambda values: values.update(best="m:x"), "best: Extra inputs are not permitted"),
        (lambda values: values.update(seeds="0"), "seeds: Input should be"),
    ],
)
def test_a_damaged_file_names_the_key(spoil: object, named: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    whole().write(path)
    values = json.loads(path.read_text())
    assert callable(spoil)
    spoil(values)
    path.write_text(json.dumps(values))
    with pytest.raises(FormatError, match=named) as refusal:
        read_results(path)
    assert str(refusal.value).startswith(f"{path} is damaged; evaluate the folds again")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MerflowError, match=r"cannot read .*results\.json"):
        read_results(tmp_path / "results.json")

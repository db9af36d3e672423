"""The files that a step depends on are those that its job imports."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from merflow.runs.code_closure import (
    BY_CONTENT,
    ENDS,
    ENTRIES,
    SOURCE,
    closure,
    code_digest,
    compact,
    names_imported,
    source_digest,
)
from tests.jobs.forked_interpreter import modules_after

# Large libraries that jobs import, loaded once for all of them.
_LIBRARIES = ("torch", "pandas", "scipy.stats", "optuna", "matplotlib.pyplot", "sklearn", "soundfile", "einops")
# Step -> the steps whose files it may load beyond its own: models and presets come by content, MLflow only records.
BEYOND = {"extract": ["presets"], **{step: ["presets", "track"] for step in ("train", "study", "package")}}
# Step -> files that only what is left out imports: the registry's types, and what MLflow records and tries a model by.
OF_REGISTRY = (
    "contracts/registered_version.py",
    "contracts/audit_trail.py",
    "promotion/packaging/figures.py",
    "promotion/packaging/signature.py",
)
OF_PACKAGES = tuple(f"inference/{name}.py" for name in ("answers", "ensemble", "packaged_model", "clip_table"))
ONLY_RECORDS = {"package": {*OF_REGISTRY, *OF_PACKAGES}}


def names(step: str) -> set[str]:
    return {path.as_posix() for path in closure(step)}


def test_every_entry_is_a_module() -> None:
    assert len(ENTRIES) == 20
    for entries in ENTRIES.values():
        assert all((SOURCE / entry).is_file() for entry in entries)


@pytest.fixture(scope="module")
def modules_of_steps() -> dict[str, list[str]]:
    """Return the modules that the job of each step loads."""
    names = {step: [_name_of(entry) for entry in entries] for step, entries in ENTRIES.items()}
    return modules_after(names, preloaded=_LIBRARIES)


def _name_of(entry: str) -> str:
    return f"merflow.{entry.removesuffix('.py').replace('/', '.')}"


def _files_of(modules: list[str]) -> set[Path]:
    """Return the files of merflow's modules that are not empty, relative to merflow's folder."""
    parts = [name.split(".")[1:] for name in modules if name.split(".")[0] == "merflow"]
    paths = {Path(*each, "__init__.py") for each in parts} | {Path(*each).with_suffix(".py") for each in parts if each}
    return {path for path in paths if (SOURCE / path).is_file() and (SOURCE / path).stat().st_size}


@pytest.mark.parametrize("step", sorted(ENTRIES))
def test_all_that_a_job_loads_is_among_its_files_or_left_out_on_purpose(
    modules_of_steps: dict[str, list[str]], step: str
) -> None:
    loaded = _files_of(modules_of_steps[step])
    assert {Path(entry) for entry in ENTRIES[step]} <= loaded
    docstring_alone = {Path("__init__.py")}
    beyond = {path for other in BEYOND.get(step, ()) for path in closure(other)}
    beyond |= {Path(name) for name in ONLY_RECORDS.get(step, ())}
    beyond |= {path for path in loaded for end in ENDS.get(step, ()) if path.is_relative_to(end)}
    assert loaded - set(closure(step)) - docstring_alone <= beyond
    assert BEYOND.keys() == BY_CONTENT.keys() == ENDS.keys(), "steps that leave something out"


def test_data_files_belong_to_the_modules_next_to_them() -> None:
    assert {"evaluation/report/report.css", "evaluation/report/report.js", "presets/published.csv"} <= names("evaluate")
    assert "corpus/validation/summary.html.j2" in names("validate")
    assert "tuning/spaces/mfdr.yaml" in names("study")
    assert "presets/profiles/lite.yaml" in names("extract")


def test_a_data_file_that_a_module_names_belongs_to_that_module_alone() -> None:
    assert not [name for name in names("plots") if name.endswith((".css", ".js", ".j2"))]
    assert [name for name in names("plots") if name.startswith("evaluation/report/")]


def test_a_models_own_file_and_preset_come_by_content_and_what_models_share_does_not() -> None:
    assert "models/mfdr.py" in names("presets")
    for step in ("extract", "train", "study", "package"):
        assert not {"models/__init__.py", "models/mfdr.py", "presets/mfdr.yaml"} & names(step)
    for step in ("train", "study", "package"):
        assert "models/layers.py" in names(step)
    assert not [name for name in names("extract") if name.startswith("models/")]


def test_what_only_records_a_training_is_not_among_its_files() -> None:
    assert not [name for name in names("train") if name.startswith("tracking/")]
    assert [name for name in names("evaluate") if name.startswith("tracking/")]


def test_splits_depend_on_little() -> None:
    assert {"jobs/split.py", "corpus/splitting/protocols.py", "contracts/params.py"} <= names("split")
    assert not [
        name for name in names("split") if name.split("/")[0] in ("features", "models", "training", "evaluation")
    ]


def test_steps_have_different_digests_that_follow_their_files() -> None:
    apart = [step for step in ENTRIES if step not in ("synthesize", "promote")]
    assert len({code_digest(step) for step in apart}) == len(apart)
    assert code_digest("promote") == code_digest("gate"), "a decision and what follows from it are one job"
    assert code_digest("split") == source_digest(reversed(closure("split")))


def test_every_import_that_the_parser_finds_is_found() -> None:
    modules = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py")]
    assert len(modules) > 400
    for module in modules:
        parsed = set()
        for node in ast.walk(ast.parse((SOURCE / module).read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "merflow":
                parsed |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                parsed |= {alias.name for alias in node.names}
        assert set(names_imported(module)) == parsed, module


def test_a_new_import_inside_a_function_is_followed(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "merflow", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "merflow/jobs/split.py").open("a", encoding="utf-8") as job:
        job.write("\n\ndef late() -> None:\n    from merflow.features.media import clips as late_clips\n")
    program = "from merflow.runs.code_closure import closure; print(*closure('split'), sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    ).stdout
    assert "features/media/clips.py" in set(told.splitlines()) - names("split")


def test_a_folder_stands_for_its_files_where_all_of_them_are_named() -> None:
    room = {path.relative_to(SOURCE) for path in (SOURCE / "corpus/splitting").glob("[a-z]*.py")}
    assert len(room) > 3
    assert compact([*room, Path("errors.py")]) == [Path("corpus/splitting"), Path("errors.py")]
    _one, *others = sorted(room)
    assert compact(others) == others

"""From a variant of a finished benchmark to a registered version: package, stress suite, card, MLflow."""

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from merflow.contracts.model_package import CARD_MD, Kind, read_package
from merflow.contracts.numerals import percent
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.promotion_settings import BEST
from merflow.contracts.score_results import read_any_results
from merflow.contracts.stress_results import write_stress
from merflow.contracts.use_exception import UseException, write_exception
from merflow.errors import PromotionError
from merflow.evaluation.model_calibration import COVERAGE
from merflow.jobs.stress import stress
from merflow.promotion.card.page import INTENDED, write_card
from merflow.promotion.packaging.mlflow_model import log_version_model
from merflow.promotion.packaging.package import build_package, existing_package
from merflow.promotion.registry.registry import Registry, register_version
from merflow.runs.run_folder import RESULTS


@dataclass(frozen=True)
class PackageSettings:
    """The settings of a package.

    Attributes:
        kind: ``refit`` on all data, or ``ensemble`` of the fold models.
        coverage: Share of conformal sets or intervals that should contain the truth, between 0 and 1.
        stress_utterances: Number of test utterances in the stress suite; 0 skips the suite.
        intended: The model's intended use, for its card.
        exception: The exception that allows a prohibited use; None if there is none.
        encoders_folder: ``features.encoders_folder``.
        device: ``cpu``, ``cuda`` or ``auto``.
    """

    kind: Kind = "refit"
    coverage: float = COVERAGE
    stress_utterances: int = 400
    intended: str = INTENDED
    exception: UseException | None = None
    encoders_folder: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class Registered:
    """A registered version.

    Attributes:
        name: The registered model.
        version: Number of the version.
        new: False if this exact package was registered before.
        variant: ``model:preset``.
        kind: ``refit`` or ``ensemble``.
        package: Folder of the package.
        model_uri: Location of the logged model.
        uri: The tracking server or database.
    """

    name: str
    version: int
    new: bool
    variant: str
    kind: Kind
    package: Path
    model_uri: str
    uri: str


def register(
    run: Path,
    variant: str,
    *,
    registry: Registry,
    settings: PackageSettings,
    command: str,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Registered:
    """Package a variant of a finished benchmark, log it on the variant's run, and register it as ``candidate``.

    Args:
        run: Folder of the benchmark.
        variant: ``model:preset``, or ``best`` for the best one of the results.
        registry: The registered model.
        settings: Settings of the package.
        command: Command to print on the page of the stress suite.
        out: Folder of the package; None for ``packages/MODEL/PRESET-KIND`` in the run.
        progress: Notified of folds, epochs and conditions.

    Raises:
        PromotionError: The benchmark is not finished, has no such variant that can be promoted, or was not tracked.
        TrackingError: MLflow cannot be reached or refuses.
        RegistryError: The user may not write the registered model.
        MerflowError: See :func:`build` and :func:`merflow.jobs.stress.stress`.
    """
    chosen = best_of(run) if variant == BEST else variant
    folder = out or package_folder(run, chosen, settings.kind)
    build(run, chosen, out=folder, settings=settings, command=command, progress=progress)
    return publish(folder, registry=registry, encoders_folder=settings.encoders_folder)


def best_of(run: Path) -> str:
    """Return the best variant of a finished benchmark: by the highest pooled UA, or the lowest pooled MAE for scores.

    Raises:
        PromotionError: The benchmark is not finished.
        FormatError: Another version of merflow evaluated it.
    """
    if not (run / RESULTS).is_file():
        raise PromotionError(
            f"{run} is not finished ({RESULTS} is missing); finish it with the command that began it, which keeps its "
            "finished folds"
        )
    return read_any_results(run / RESULTS).best


def package_folder(run: Path, variant: str, kind: Kind) -> Path:
    """Return the folder of a variant's package in a run."""
    model, preset = variant.split(":", maxsplit=1)
    return run / "packages" / model / f"{preset}-{kind}"


def build(
    run: Path,
    variant: str,
    *,
    out: Path,
    settings: PackageSettings,
    command: str,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build the package of a variant with stress results and card; return ``out``.

    Models, calibration and evidence of an earlier package with the same folds and settings are reused.

    Raises:
        MerflowError: See :func:`merflow.promotion.packaging.package.build_package` and
            :func:`merflow.jobs.stress.stress`.
    """
    package = existing_package(run, variant, kind=settings.kind, coverage=settings.coverage, out=out)
    if package is not None:
        say(f"register: {out} has the models already; delete it to make them again")
    else:
        package = build_package(
            run,
            variant,
            kind=settings.kind,
            out=out,
            coverage=settings.coverage,
            device=settings.device,
            checkpoints=checkpoints,
            progress=progress or plain_lines(),
        )
    if settings.stress_utterances:
        results, _ = stress(
            run,
            variant,
            out=None,
            utterances=settings.stress_utterances,
            seed=0,
            command=command,
            encoders_folder=settings.encoders_folder,
            device=settings.device,
            progress=progress,
        )
        write_stress(out, results)
    if settings.exception is not None:
        write_exception(out, settings.exception)
    write_card(out, intended=settings.intended)
    kind = "sets" if package.scale is None else "intervals"
    sets = f"{kind} for {percent(settings.coverage)}% coverage"
    say(f"register: {variant}, {package.made}; {sets}; {out}")
    return out


def publish(package: Path, *, registry: Registry, encoders_folder: str = "") -> Registered:
    """Log a package on its variant's run, and register it as the next version and as ``candidate``.

    Raises:
        PromotionError: The package names no run of its variant.
        ModelError: The folder is not a package, or was changed.
        TrackingError: MLflow cannot be reached or refuses.
        RegistryError: The user may not write the registered model.
    """
    described = read_package(package)
    run_id = described.lineage.variant_run
    if not run_id:
        raise PromotionError(
            f"{package} knows no MLflow run of {described.variant}, to which a version belongs; upload the benchmark "
            "with `merflow tracking sync`, and register again"
        )
    logged = log_version_model(registry.connection, package, variant_run_id=run_id, encoders_folder=encoders_folder)
    version = None if logged.new else registry.version_of_model(logged.model_uri)
    new = version is None
    if version is None:
        version = register_version(
            registry.connection,
            registry.name,
            model_uri=logged.model_uri,
            run_id=run_id,
            package=described,
            description=_first_lines(package / CARD_MD),
            who=registry.trail.who,
        )
    is_now = "is the candidate" if new else "is this very package"
    say(f"register: version {version} of {registry.name!r} {is_now}; {registry.connection.shown_uri}")
    return Registered(
        name=registry.name,
        version=version,
        new=new,
        variant=described.variant,
        kind=described.kind,
        package=package,
        model_uri=logged.model_uri,
        uri=registry.connection.shown_uri,
    )


def _first_lines(card: Path) -> str:
    """Return the card up to its first section."""
    lines = card.read_text(encoding="utf-8").splitlines()
    return "\n".join(takewhile(lambda line: not line.startswith("## "), lines)).strip()

"""A version of a registered model, and the tags that say what its package is."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from merflow.contracts.model_package import Kind, ModelPackage
from merflow.contracts.strict import Strict
from merflow.storage.local import digest

_PREFIX = "merflow."


class VersionFacts(Strict):
    """The facts about a package that a version carries as tags.

    Attributes:
        variant: ``model:preset``.
        kind: ``refit`` or ``ensemble``.
        taxonomy: Name of the taxonomy.
        split_id: Identity of the splits.
        corpus: Name of the corpus.
        synthetic: True if the corpus is merflow's synthetic one.
        promotable: True if no test data took part in any choice.
        package: Digest of ``package.json``.
        benchmark_run: MLflow run of the benchmark; empty if there is none.
        variant_run: MLflow run of the variant; empty if there is none.
    """

    variant: str
    kind: Kind
    taxonomy: str
    split_id: str
    corpus: str
    synthetic: bool
    promotable: bool
    package: str
    benchmark_run: str
    variant_run: str

    @classmethod
    def of(cls, package: ModelPackage) -> "VersionFacts":
        """Return the facts of a package."""
        return cls(
            variant=package.variant,
            kind=package.kind,
            taxonomy=package.taxonomy,
            split_id=package.lineage.split_id,
            corpus=package.lineage.corpus,
            synthetic=package.synthetic,
            promotable=package.promotable,
            package=digest(package.model_dump(mode="json")),
            benchmark_run=package.lineage.benchmark_run,
            variant_run=package.lineage.variant_run,
        )

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> "VersionFacts | None":
        """Return the facts that tags state; None if merflow did not register the version, or somebody removed some."""
        values: dict[str, Any] = {name: tags.get(_PREFIX + name) for name in cls.model_fields}
        try:
            return cls.model_validate(values, strict=False)  # a tag is text: 'true' is True
        except ValidationError:
            return None

    def tags(self) -> dict[str, str]:
        """Return the facts as tags."""
        values = self.model_dump(mode="json")
        return {
            _PREFIX + name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()
        }


class RegisteredVersion(Strict):
    """One version.

    Attributes:
        name: The registered model.
        version: Its number.
        aliases: Those of merflow's aliases that point to it.
        facts: What its package is; None if merflow did not register it.
        forced: True if it was ever promoted against the gate.
        run_id: Run that it comes from; empty if there is none.
        source: Location of the logged model.
        created_at: Time of registration in UTC, ISO 8601.
        description: First lines of the card.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    facts: VersionFacts | None
    forced: bool
    run_id: str
    source: str
    created_at: str
    description: str

    @property
    def title(self) -> str:
        """The version in words."""
        return f"version {self.version} of {self.name!r}"

"""A version of a registered model, and the tags that say what its package is."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from merflow.contracts.model_package import Kind, ModelPackage
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION, TaskName
from merflow.storage.local import digest

_PREFIX = "merflow."


class VersionFacts(Strict):
    """The facts about a package that a version carries as tags.

    Attributes:
        variant: ``model:preset``.
        kind: ``refit`` or ``ensemble``.
        task: Name of the task; a version of emotions carries no tag for it.
        taxonomy: Name of the taxonomy.
        split_id: Identity of the splits.
        corpus: Name of the corpus.
        synthetic: True if the corpus is merflow's synthetic one.
        promotable: True if no test data were used for any choice.
        package: Digest of ``package.json``.
        benchmark_run: MLflow run of the benchmark; empty if there is none.
        variant_run: MLflow run of the variant; empty if there is none.
    """

    variant: str
    kind: Kind
    task: TaskName = EMOTION
    taxonomy: str
    split_id: str
    corpus: str
    synthetic: bool
    promotable: bool
    package: str
    benchmark_run: str
    variant_run: str

    @property
    def predicts(self) -> str:
        """The labels in a few words: the taxonomy of emotions, or the score."""
        return self.taxonomy if self.task == EMOTION else f"{self.task} score"

    @classmethod
    def of(cls, package: ModelPackage) -> "VersionFacts":
        """Return the facts of a package."""
        return cls(
            variant=package.variant,
            kind=package.kind,
            task=package.task,
            taxonomy=package.taxonomy,
            split_id=package.lineage.split_id,
            corpus=package.lineage.corpus,
            synthetic=package.synthetic,
            promotable=package.promotable,
            package=digest(package.model_dump(mode="json", exclude=_unless_score(package.task))),
            benchmark_run=package.lineage.benchmark_run,
            variant_run=package.lineage.variant_run,
        )

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> "VersionFacts | None":
        """Return the facts that tags state; None if merflow did not register the version, or somebody removed some."""
        values: dict[str, Any] = {name: tags.get(_PREFIX + name) for name in cls.model_fields}
        values["task"] = values["task"] or EMOTION
        try:
            return cls.model_validate(values, strict=False)  # a tag is text: 'true' is True
        except ValidationError:
            return None

    def tags(self) -> dict[str, str]:
        """Return the facts as tags."""
        values = self.model_dump(mode="json", exclude=_unless_score(self.task))
        return {
            _PREFIX + name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()
        }


def _unless_score(task: TaskName) -> set[str]:
    """Return the fields that emotion models leave out, so that digests and tags are as before tasks existed."""
    return {"task", "scale"} if task == EMOTION else set()


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

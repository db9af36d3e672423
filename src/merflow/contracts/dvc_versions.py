"""The manifest and the splits as a DVC project records them, for the runs that are trained on them."""

from merflow.contracts.strict import Strict


class DvcFile(Strict):
    """A file in ``dvc.lock``.

    Attributes:
        path: Path relative to the project.
        md5: MD5 of its bytes, by which DVC stores it.
        identity: Manifest hash or split id.
        url: Address of the file in the project's remote; empty for a project without one.
    """

    path: str
    md5: str
    identity: str
    url: str


class DvcVersions(Strict):
    """The versions of one project.

    Attributes:
        rev: Commit whose ``dvc.lock`` records them, 40 hexadecimal digits; empty before they are committed.
        manifest: The manifest that was split.
        splits: Its splits.
    """

    rev: str
    manifest: DvcFile
    splits: DvcFile

    def is_of(self, *, manifest_hash: str, split_id: str) -> bool:
        """Return True if these are the manifest and the splits with these identities."""
        return (self.manifest.identity, self.splits.identity) == (manifest_hash, split_id)

    def tags(self) -> dict[str, str]:
        """Return the tags of MLflow runs that were trained on these versions."""
        rev = {"dvc.rev": self.rev} if self.rev else {}
        return {**rev, "dvc.md5.manifest": self.manifest.md5, "dvc.md5.splits": self.splits.md5}

"""``merflow data fetch`` and ``publish``: folders from and to S3."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from merflow.cli.console import OUT, print_json, progress_bars
from merflow.cli.options import JsonOption

AddressArgument = Annotated[str, typer.Argument(help="Address of the folder in S3: s3://BUCKET/FOLDER.")]
EndpointOption = Annotated[
    str | None,
    typer.Option(
        help="Use the S3 server at this URL, such as http://HOST:PORT. [default: AWS_ENDPOINT_URL, the profile's, or "
        "Amazon's]"
    ),
]


def fetch(
    address: AddressArgument,
    folder: Annotated[Path, typer.Argument(help="Write the files to this folder.")],
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download a folder of recordings, or of anything else, from S3, and check every file.

    Existing files are kept if they are equal and replaced if they differ, so the same command resumes an interrupted
    download. For versions of manifests and splits, use `merflow data pull` instead.

    Example: `merflow data fetch s3://corpora/IEMOCAP_full_release IEMOCAP_full_release`
    """
    from merflow.jobs.fetch import fetch as fetch_job

    with progress_bars() as progress:
        fetched = fetch_job(address, folder, endpoint=endpoint, progress=progress)
    if as_json:
        print_json(
            {
                "address": address,
                "folder": str(folder),
                "files": fetched.files,
                "size_bytes": fetched.size,
                "downloaded": fetched.downloaded,
                "downloaded_bytes": fetched.downloaded_bytes,
                "checked_by": "sha256" if fetched.published else "etag",
                "unchecked": fetched.unchecked,
            }
        )
        return
    unchecked = f"; of {fetched.unchecked} file(s) S3 reports only the size" if fetched.unchecked else ""
    OUT.print(
        f"{fetched.files} file(s), {decimal(fetched.size)} in {folder}; {fetched.downloaded} downloaded "
        f"({decimal(fetched.downloaded_bytes)}){unchecked}",
        markup=False,
    )


def publish(
    folder: Annotated[Path, typer.Argument(help="Upload this folder.")],
    address: AddressArgument,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a folder to S3, where others see it as a whole or not at all; `merflow data fetch` downloads it.

    A published folder never changes: an address that holds another folder is refused. The same command resumes an
    interrupted upload. For versions of manifests and splits, use `merflow data push` instead.

    Example: `merflow data publish data/recordings s3://corpora/recordings-v1`
    """
    from merflow.jobs.publish import publish as publish_job

    with progress_bars() as progress:
        publication = publish_job(folder, address, endpoint=endpoint, progress=progress)
    inventory = publication.folder.inventory
    if as_json:
        print_json(
            {
                "address": address,
                "digest": inventory.digest,
                "files": len(inventory.files),
                "size_bytes": inventory.size,
                "uploaded": publication.uploaded,
                "uploaded_bytes": publication.uploaded_bytes,
                "first": publication.first,
            }
        )
        return
    state = "published" if publication.first else "already published"
    OUT.print(
        f"{len(inventory.files)} file(s), {decimal(inventory.size)} {state} at {address}; {publication.uploaded} "
        f"uploaded ({decimal(publication.uploaded_bytes)})",
        markup=False,
    )

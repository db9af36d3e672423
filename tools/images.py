"""Image builds with podman, buildah or docker: ``python -m tools.images cpu serve``.

Arguments after ``--`` go to the builder, for example ``-- --secret id=pip,src=/etc/pip.conf`` for a pip configuration
file, or ``-- --volume /opt/wheels:/opt/wheels:ro`` for a folder of wheels. Neither becomes part of the image.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.images.requirements import EXTRAS
from merflow.components import IMAGE
from merflow.runs.provenance import git_commit
from merflow.runs.whole_code import whole_code_digest
from tools import pip_settings

ROOT = Path(__file__).parents[1]
BUILDERS = ("podman", "buildah", "docker")
_NAME, _VERSION = IMAGE.split(":")
SBOM = "/opt/merflow/sbom.cdx.json"


def main() -> None:
    """Build the named targets, and write the SBOM of each to ``--out``."""
    own, passed = _split(sys.argv[1:])
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument("targets", nargs="*", default=["cpu"], metavar="TARGET", help="cpu, cuda, serve; default: cpu")
    parser.add_argument("--base", required=True, help="base image by digest: NAME@sha256:DIGEST")
    parser.add_argument("--builder", choices=BUILDERS, help="builder to use; default: the first one installed")
    parser.add_argument("--my-pip", action="store_true", help="pass this machine's pip configuration to the build")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/images", help="folder for the SBOMs")
    options = parser.parse_args(own)
    if unknown := sorted(set(options.targets) - EXTRAS.keys()):
        parser.error(f"unknown target {unknown[0]}; choose from {', '.join(EXTRAS)}")
    if "@sha256:" not in options.base:
        parser.error(
            f"--base {options.base} has no digest, so the same build would not give the same image tomorrow; "
            "give NAME@sha256:DIGEST, which `podman image inspect --format '{{.Digest}}' NAME` prints"
        )
    builder = options.builder or next((each for each in BUILDERS if shutil.which(each)), None)
    if builder is None:
        parser.error("podman, buildah and docker are all missing; install one of them")
    with tempfile.TemporaryDirectory() as scratch:
        given = pip_settings.options(pip_settings.settings(), file=Path(scratch) / "pip.conf") if options.my_pip else []
        for target in options.targets:
            subprocess.run(command(builder, target, base=options.base, more=[*given, *passed]), cwd=ROOT, check=True)
    for target in options.targets:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{name(target).replace('/', '-').replace(':', '-')}.cdx.json"
        path.write_bytes(_sbom(builder, name(target)))
        print(f"{name(target)}, its SBOM in {path}")


def name(target: str) -> str:
    """Return the name of a target's image; compiled packages use that of ``cpu``."""
    return IMAGE if target == "cpu" else f"{_NAME}:{_VERSION}-{target}"


def command(builder: str, target: str, *, base: str, more: Sequence[str] = ()) -> list[str]:
    """Return the command that builds a target."""
    values = {
        "BASE": base,
        "TARGET": target,
        "REVISION": git_commit() or "unknown",
        "CODE_DIGEST": whole_code_digest(),
    }
    arguments = [word for key, value in values.items() for word in ("--build-arg", f"{key}={value}")]
    layers = ["--layers"] if builder != "docker" else []
    file = ["--file", "infra/images/Containerfile", "--tag", name(target)]
    return [builder, "build", *layers, *file, *arguments, *more, "."]


def _sbom(builder: str, image: str) -> bytes:
    """Read the SBOM out of an image."""
    if builder == "buildah":
        container = subprocess.check_output(["buildah", "from", "--pull-never", image], text=True).strip()
        try:
            return subprocess.check_output(["buildah", "run", "--isolation=chroot", container, "--", "cat", SBOM])
        finally:
            subprocess.run(["buildah", "rm", container], check=True, stdout=subprocess.DEVNULL)
    container = subprocess.check_output([builder, "create", image], text=True).strip()
    try:
        archive = subprocess.run([builder, "cp", f"{container}:{SBOM}", "-"], check=True, capture_output=True).stdout
    finally:
        subprocess.run([builder, "rm", container], check=True, stdout=subprocess.DEVNULL)
    return _only_file(archive)


def _only_file(archive: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        found = files.extractfile(files.getmembers()[0])
        assert found is not None
        return found.read()


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    cut = arguments.index("--")
    return arguments[:cut], arguments[cut + 1 :]


if __name__ == "__main__":
    main()

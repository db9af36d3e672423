"""An overlay's services, run with podman: ``python -m tools.services up infra/kustomize/overlays/podman``.

``down`` removes the pods and keeps their data; ``clean`` also removes the data.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from merflow.errors import PipelineError
from merflow.pipelines.rehearsal.overlay import rendered
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.services import Services


def main() -> int:
    """Run the action from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.services", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "clean"))
    parser.add_argument("overlay", type=Path, help="folder of an overlay, or a file with its rendered objects")
    parser.add_argument("--project", default="merflow", help="prefix of the names of all podman objects")
    options = parser.parse_args()
    scratch = Path(tempfile.gettempdir()) / f"{options.project}-scratch"
    try:
        services = Services(Podman(), rendered(options.overlay), scratch, project=options.project, tell=print)
        if options.action == "up":
            services.up()
            print("\n".join(services.addresses()))
        else:
            services.down(volumes=options.action == "clean")
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

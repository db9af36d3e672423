"""The manifests in infra/kserve/examples, as ``merflow registry deploy`` writes them for a made-up version.

Run ``python -m tools.kserve_examples`` after you change the manifests or their settings; a test compares them.
"""

from pathlib import Path

from merflow.jobs.deploy import Deployment, settings_of, write_deployment
from merflow.promotion.deployment.manifests import manifests
from merflow.promotion.deployment.plan import Canary, Plan, ServedVersion, check_plan

FOLDER = Path(__file__).parents[1] / "infra/kserve/examples"
IMAGE = f"registry.example.com/merflow/python@sha256:{'0' * 64}"
_CHAMPION = ServedVersion("merflow", 7, "gia-mic:full, refitted on all sessions for 12 epochs", f"sha256:{'7' * 64}")
_CANDIDATE = ServedVersion("merflow", 8, "mfdr:full, an ensemble of 5 fold models", f"sha256:{'8' * 64}")


def examples() -> dict[str, Deployment]:
    """Return the deployments by their folder."""
    settings = settings_of(changes={"image": IMAGE})
    canary = Canary(_CANDIDATE, 10)
    plans = {
        "knative-canary": Plan("merflow", _CHAMPION, canary, "knative", False, settings),
        "standard": Plan("merflow", _CHAMPION, None, "standard", False, settings),
        "standard-gpu-canary": Plan("merflow", _CHAMPION, canary, "standard", True, settings),
    }
    for plan in plans.values():
        check_plan(plan, allow_tag=False)
    return {name: Deployment(plan, manifests(plan), ()) for name, plan in plans.items()}


def main() -> None:
    """Write all examples."""
    for name, made in examples().items():
        for path in write_deployment(made, FOLDER / name):
            print(path.relative_to(FOLDER.parents[2]))


if __name__ == "__main__":
    main()

"""Digests of the files behind the paths of a run."""

from kfp import dsl

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def fingerprint(corpus: str, root: str, transcribe: bool, profile: str, params: str, workspace: str) -> str:
    """Return digests of the corpus, local encoders and a local recognizer; KFP's cache sees only their paths."""
    from merflow.jobs import steps

    return steps.fingerprint(
        corpus=corpus, root=root, transcribe=transcribe, profile=profile, params=params, workspace=workspace
    )

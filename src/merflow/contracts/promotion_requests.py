"""The requests of the steps that follow a benchmark in the pipeline ``promote``; see ``contracts.requests``."""

from merflow.contracts.gate_decision import Mode
from merflow.contracts.model_package import Kind
from merflow.contracts.requests import Request


class PackageRequest(Request):
    """A variant of a benchmark to package.

    Attributes:
        variant: ``model:preset``, or ``best`` for the best one of the results.
        kind: ``refit`` on all data, or ``ensemble`` of the fold models.
        coverage: Share of the conformal sets that should contain the true emotion.
        stress_utterances: Number of test utterances of the stress suite; 0 leaves it out.
        workspace: Folder that all steps share; the trained folds are in it, and what an interrupted step continues
            with.
        encoders_folder: ``features.encoders_folder``.
        device: Device that trains and predicts.
    """

    variant: str
    kind: Kind
    coverage: float
    stress_utterances: int
    workspace: str
    encoders_folder: str
    device: str


class RegisterRequest(Request):
    """A package to register.

    Attributes:
        registered_name: The registered model.
        workspace: Folder that all steps share.
        encoders_folder: ``features.encoders_folder``, for the load that checks what was logged.
    """

    registered_name: str
    workspace: str
    encoders_folder: str


class GateRequest(Request):
    """A version to compare with the champion.

    Attributes:
        registered_name: The registered model.
        mode: ``enforce``, ``warn`` or ``dry-run``.
        policy: Text of a policy file; empty for merflow's own policy.
        workspace: Folder that all steps share.
        encoders_folder: ``features.encoders_folder``.
        approval_h: Hours that the next step waits for an approval, for what this one says to people.
    """

    registered_name: str
    mode: Mode
    policy: str
    workspace: str
    encoders_folder: str
    approval_h: float


class PromoteRequest(Request):
    """A decision to act on.

    Attributes:
        registered_name: The registered model.
        approval_h: Hours to wait for a person's approval, counted from the decision; 0 asks for none.
    """

    registered_name: str
    approval_h: float

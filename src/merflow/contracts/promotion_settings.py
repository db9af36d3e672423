"""The settings by which the pipeline ``promote`` goes on from a benchmark, as a user gives them."""

from typing import Annotated

from pydantic import Field

from merflow.contracts.gate_decision import Mode
from merflow.contracts.model_package import Kind
from merflow.contracts.strict import Strict


class PromotionSettings(Strict):
    """The settings.

    Attributes:
        variant: ``model:preset`` of the variant to promote, or ``best`` for the one with the highest pooled UA.
        kind: ``refit`` on all sessions, or ``ensemble`` of the fold models.
        registered_name: The registered model in MLflow.
        mode: ``enforce`` refuses a version that fails a check of the gate, ``warn`` promotes it and says what failed,
            ``dry-run`` decides and records nothing.
        policy: Text of a policy file; empty for merflow's own policy.
        coverage: Share of the conformal sets that shall hold the true emotion.
        stress_utterances: Number of test utterances of the stress suite; 0 leaves it out.
        approval_h: Hours to wait for a person's approval, counted from the decision; 0 asks for none.
    """

    variant: str = "best"
    kind: Kind = "refit"
    registered_name: Annotated[str, Field(min_length=1)] = "merflow"
    mode: Mode = "enforce"
    policy: str = ""
    coverage: Annotated[float, Field(ge=0.5, le=0.999)] = 0.9
    stress_utterances: Annotated[int, Field(ge=0)] = 400
    approval_h: Annotated[float, Field(ge=0)] = 0.0

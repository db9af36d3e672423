"""Rules that choose an epoch: the figure that is compared, and the utterances that it is computed on."""

from typing import Literal

from merflow.contracts.protocols import DevelopmentData
from merflow.contracts.recipe import Monitor
from merflow.contracts.strict import Strict
from merflow.contracts.task import Classification, Task

_FIGURES = {
    "loss": "lowest loss",
    "ua": "highest UA",
    "mae": "lowest MAE",
    "ccc": "highest CCC",
    "epochs": "median epoch of the folds",
}
_DEVELOPMENT: dict[DevelopmentData, str] = {
    "speaker": "one training speaker",
    "session": "one training session",
    "random": "a share of the training dialogues",
    "official": "the official development part",
}


class Selection(Strict):
    """The rule that chose an epoch; its text is a phrase such as "lowest loss of one training speaker".

    Attributes:
        figure: ``loss`` keeps the epoch with the lowest mean loss, ``ua`` the one with the highest unweighted accuracy,
            ``mae`` the one with the lowest mean absolute error of scores, ``ccc`` the one with their highest
            concordance correlation; ``epochs`` keeps the last one of a fixed number of epochs.
        data: The utterances behind the figure: development data of one kind, the ``test`` part, or ``none``.
    """

    figure: Literal["loss", "ua", "mae", "ccc", "epochs"]
    data: DevelopmentData | Literal["test", "none"]

    @classmethod
    def of(cls, monitor: Monitor, *, data: DevelopmentData) -> "Selection":
        """Return the rule of a recipe's monitor."""
        return cls.model_validate({"figure": monitor.removeprefix("dev_"), "data": data})

    @property
    def promotable(self) -> bool:
        """True if the choice never saw test data, so that the test figures of its epoch are honest."""
        return self.data != "test"

    def __str__(self) -> str:
        if self.data == "none":
            return f"{_FIGURES[self.figure]}, with no data set aside"
        if self.data != "test":
            return f"{_FIGURES[self.figure]} of {_DEVELOPMENT[self.data]}"
        figure = _FIGURES[self.figure].replace(" ", " test ")
        return f"none-paper: the epoch with the {figure}; shows the bias, cannot be promoted"


# The rule of the shadow selection: some published code chooses the epoch on the test part. Here it only shows the bias.
NONE_PAPER = Selection(figure="ua", data="test")
_NONE_PAPER_OF_SCORES = Selection(figure="mae", data="test")
# The rule of a refit on all data, which has nothing left to choose an epoch on.
FIXED_EPOCHS = Selection(figure="epochs", data="none")


def none_paper_of(task: Task) -> Selection:
    """Return the rule of the shadow selection for a task: the highest test UA, or the lowest test MAE of scores."""
    return NONE_PAPER if isinstance(task, Classification) else _NONE_PAPER_OF_SCORES

"""The gate's interval of a figure, UA or MAE, or of the difference of two.

A policy states how often a model may be promoted or refused by chance, so the interval must keep its level with few
dialogues of unequal size, with rare classes, and with models that are rarely wrong. Three things ensure this:

* The standard error is the jackknife's: each dialogue is left out once. With few clusters it errs on the large side,
  whereas that of a bootstrap over clusters is too small (MacKinnon, Nielsen and Webb 2023, "Cluster-robust inference").
* Student's t distribution has as many degrees of freedom as there are *effective* dialogues, minus one. If all
  dialogues have the same size, that is their number; if a few of them hold most utterances, it is close to the number
  of those few (Kish 1965; Carter, Schnepel and Steigerwald 2017).
* Each end of a UA lies one utterance further out: what is shown must still be shown if one more answer had been
  different. Differences come in steps of one utterance, and are skewed for models that are rarely wrong. MAE has no
  steps.

``python -m benchmarks.gate_error_rates`` measures the levels. The reports' intervals are percentiles of a bootstrap
(``merflow.evaluation.significance``), because no decision depends on their last digit.

Shapes: K is 1 for a figure and 2 for a difference, G dialogues, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from merflow.contracts.scores import Interval
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.significance import FEWEST_DIALOGUES

FEW = "Test on more dialogues"  # remedy for too few of them


@dataclass(frozen=True)
class Spread:
    """Variation of a figure with the choice of test dialogues.

    Attributes:
        standard_error: The jackknife's standard error.
        dialogues: Effective number of dialogues; at most G, and equal to G if all have the same number of utterances of
            each class.
        step: Change of UA by one utterance of an average class; 0 for MAE.
    """

    standard_error: float
    dialogues: float
    step: float

    def interval(self, figure: float, *, tail: float) -> Interval:
        """Return an interval; the true figure lies below it and above it with probability ``tail`` each."""
        reach = float(stdtrit(self.dialogues - 1, 1 - tail)) * self.standard_error + self.step
        return figure - reach, figure + reach


def jackknife(
    sums: np.ndarray, figure: Callable[[np.ndarray], np.ndarray], *, shares: np.ndarray, step: float
) -> Spread | None:
    """Compute the spread of a figure or of a difference of two; None if there are too few dialogues.

    Dialogues are too few if one of them outweighs all others.

    Args:
        sums: Sums per dialogue, ``(K, G, ...)``.
        figure: The figure of sums ``(K, G, ...)``, as ``(K, G)``.
        shares: ``(G,)`` weight of each dialogue in the figure; they add up to 1.
        step: Change of the figure by one utterance.
    """
    groups, dialogues = sums.shape[1], float(1 / (shares**2).sum())
    if groups < FEWEST_DIALOGUES or dialogues < 2:
        return None
    left_out = np.subtract.reduce(figure(sums.sum(axis=1, keepdims=True) - sums))  # (G,)
    return Spread(standard_error=float(((groups - 1) * left_out.var()) ** 0.5), dialogues=dialogues, step=step)


def spread_of_ua(counts: np.ndarray, *, utterances: int) -> Spread | None:
    """Compute the spread of a UA or of a difference of two; None for too few dialogues or too rare classes.

    A class is too rare if it occurs in only one dialogue.

    Args:
        counts: Confusion counts per dialogue, ``(K, G, C, C)``.
        utterances: Number of utterances behind them; each counts once, whatever the seeds.
    """
    support = counts[0].sum(axis=-1)  # (G, C), of the same tests for both models
    occurs = support.sum(axis=0) > 0
    if ((support > 0).sum(axis=0)[occurs] == 1).any():
        return None
    share = (support[:, occurs] / support.sum(axis=0)[occurs]).mean(axis=1)  # (G,), weight of each dialogue in UA
    seeds = support.sum() / utterances
    step = float((seeds / support.sum(axis=0)[occurs]).mean() / occurs.sum())
    return jackknife(counts, unweighted_accuracy_of, shares=share, step=step)


def confidence(level: float) -> str:
    """Return the confidence level of an interval with this tail probability on each side, such as ``95%``."""
    return f"{100 * (1 - 2 * level):.4g}%"

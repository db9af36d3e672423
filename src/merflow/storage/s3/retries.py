"""Retries that boto3 does not do itself: of bodies that end early, arrive damaged or never begin."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from merflow.errors import MerflowError
from merflow.storage.s3.failures import DamagedError, is_passing, is_unreachable

Result = TypeVar("Result")


class StoppedError(MerflowError):
    """The work was given up because another part of it failed."""


@dataclass
class Retries:
    """The patience of one transfer; its threads share it.

    A server that has never answered is not tried again, because its address is probably wrong. One that has answered
    may be restarting.

    Attributes:
        attempts: Attempts at one file.
        damages: Arrivals of one file in a damaged state, after which it is probably stored in that state.
        first_wait_s: Longest wait before the second attempt; each further wait may be twice as long.
        longest_wait_s: Limit of a wait.
        stopped: Set if all threads should give up.
        answered: True once the server has answered.
    """

    attempts: int = 8
    damages: int = 3
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    stopped: threading.Event = field(default_factory=threading.Event)
    answered: bool = False

    def persist(self, attempt: Callable[[int], Result]) -> Result:
        """Call ``attempt`` with 0, 1, ... until it succeeds, and return its result; raise its last error.

        Raises:
            StoppedError: Another thread failed meanwhile.
        """
        damages = 0
        for number in range(self.attempts):
            self.go_on()
            try:
                result = attempt(number)
            except Exception as error:
                self.answered |= not is_unreachable(error)
                damages += isinstance(error, DamagedError)
                is_last = number + 1 == self.attempts or damages == self.damages
                if is_last or not is_passing(error) or not self.answered:
                    raise
                self.stopped.wait(self._wait_s(number))
            else:
                self.answered = True
                return result
        raise AssertionError("a loop over no attempts")

    def go_on(self) -> None:
        """Raise an error if another thread failed meanwhile.

        Raises:
            StoppedError: It did.
        """
        if self.stopped.is_set():
            raise StoppedError("stopped, because another file failed")

    def _wait_s(self, number: int) -> float:
        """Return a random wait, so that many machines do not retry at once."""
        return random.uniform(0.5, 1.0) * min(self.longest_wait_s, self.first_wait_s * 2.0**number)

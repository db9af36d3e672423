import logging

import pytest

from merflow.contracts.quiet_loggers import quiet

NAMES = ("chatty.library", "chatty.other")


def test_loggers_pass_only_errors_until_the_block_ends() -> None:
    loggers = [logging.getLogger(name) for name in NAMES]
    loggers[0].setLevel(logging.DEBUG)
    with quiet(*NAMES):
        assert not any(logger.isEnabledFor(logging.WARNING) for logger in loggers)
        assert all(logger.isEnabledFor(logging.ERROR) for logger in loggers)
    assert [logger.level for logger in loggers] == [logging.DEBUG, logging.NOTSET]


def test_an_error_in_the_block_ends_the_silence() -> None:
    with pytest.raises(ZeroDivisionError), quiet(NAMES[1]):
        _ = 1 / 0
    assert logging.getLogger(NAMES[1]).level == logging.NOTSET

"""The ``merflow`` command, and ``python -m merflow``: handles Ctrl-C before it imports anything large."""

import signal

from merflow.cli.interrupts import end, interrupt, leave


def main() -> None:
    """Run the command line; the entry point of the console script."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in the background of a script
        signal.signal(signal.SIGINT, interrupt)
    code: object = 0
    try:
        from merflow.cli.app import main as run

        run()
    except SystemExit as ending:
        code = ending.code
    except KeyboardInterrupt:
        leave(signal.SIGINT, None)
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, leave)
    end(code)
    raise SystemExit(code)


if __name__ == "__main__":
    main()

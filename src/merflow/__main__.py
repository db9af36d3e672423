"""``python -m merflow``."""

from merflow.cli.app import main

main()

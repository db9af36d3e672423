"""Compile the pipelines into ``pipelines/compiled``, the packages that are checked in: ``python -m tools.packages``."""

from merflow.pipelines.packages import COMPILED, compile_checked_in

if __name__ == "__main__":
    compile_checked_in(COMPILED)

"""The compiled pipelines that are checked in, in ``pipelines/compiled``; ``python -m tools.packages`` writes them."""

from merflow.pipelines.packages import COMPILED, compile_checked_in

if __name__ == "__main__":
    compile_checked_in(COMPILED)

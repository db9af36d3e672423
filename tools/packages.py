"""Compile the pipelines into ``pipelines/compiled``, the packages that are checked in: ``python -m tools.packages``."""

from merflow.pipelines.packages import COMPILED, checked_in_params, compile_packages

if __name__ == "__main__":
    compile_packages(COMPILED, params=checked_in_params())

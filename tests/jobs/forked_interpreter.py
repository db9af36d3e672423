"""Modules that imports load, measured in forks of one interpreter that has not imported merflow.

A new interpreter per case would spend most of its time importing the same large libraries.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

_PROGRAM = """
import importlib, json, os, sys
preloaded, cases = json.loads(sys.argv[1])
for module in preloaded:
    importlib.import_module(module)
for name, modules in cases.items():
    child = os.fork()
    if child == 0:
        for module in modules:
            importlib.import_module(module)
        print(json.dumps([name, sorted(sys.modules)]), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{name} cannot be imported")
"""


def modules_after(cases: Mapping[str, Sequence[str]], *, preloaded: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of all modules that are loaded after the imports of each case.

    Args:
        cases: The modules to import, by the name of the case.
        preloaded: Libraries to import first, once for all cases; every answer includes them.
    """
    given = json.dumps([list(preloaded), {name: list(modules) for name, modules in cases.items()}])
    told = subprocess.run([sys.executable, "-c", _PROGRAM, given], check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(line) for line in told.splitlines())

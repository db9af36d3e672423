"""Rules for compiled packages: what breaks on a cluster although the package compiles and runs on one machine.

``catalogue`` lists the rules, each a small function in ``graph``, ``pods``, ``images``, ``secrets`` or ``sizes``.
"""

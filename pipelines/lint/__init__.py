"""Rules for compiled packages that compile and run on one machine, but would break on a cluster.

``catalogue`` lists the rules, each a small function in ``graph``, ``pods``, ``images``, ``secrets`` or ``sizes``.
"""

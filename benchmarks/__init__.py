"""Measurements: one script a question, each with a peer or a plain reference in the same run.

Results go to ``results/`` as JSON with the machine's description; ``make bench`` runs them all.
"""

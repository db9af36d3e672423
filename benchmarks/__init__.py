"""Measurements, one script per question, each with a peer or a plain reference in the same run.

Results go to ``results/`` as JSON with a description of the machine. ``make bench`` runs all of them.
"""

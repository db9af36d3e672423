"""KFP components, one per file: a typed signature, one import, one call of a step.

Each takes its ``request``, the JSON of a type in ``merflow.contracts.requests``, and artifacts. KFP's cache knows a
component's own source but neither the packages that it imports nor the files behind a path. The request therefore
carries digests of both, and a cached step becomes stale when they change.
"""

IMAGE = "merflow/python:0.1.0"

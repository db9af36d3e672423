"""KFP components, one per file: a typed signature, one import, one call to a step.

Each takes artifacts and a ``request``, the JSON of a type in ``merflow.contracts.requests``. KFP's cache sees a
component's own source, but neither the packages it imports nor the files behind its paths. The request therefore
carries digests of both, so that a change to either makes the cached step stale.
"""

IMAGE = "merflow/python:0.1.0"

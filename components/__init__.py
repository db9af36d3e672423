"""KFP components, one a file: a typed signature, one import, one call of a job.

Every ``code`` and ``data`` input is a digest that the body does not read: KFP's cache sees a component's own source,
not the packages it imports nor the files behind a path, so these inputs are what makes a cached step stale.
"""

IMAGE = "merflow/python:0.1.0"

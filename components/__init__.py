"""KFP components, one a file: a typed signature, one import, one call of a job.

The inputs ``code``, ``data``, ``encoders`` and ``recogniser`` are digests that no body reads: KFP's cache sees a
component's own source, not the packages it imports nor the files behind a path, so these inputs are what makes a cached
step stale.
"""

IMAGE = "merflow/python:0.1.0"

"""A compiled package run in containers on one machine, as a cluster would run it, without a cluster.

Every step becomes the Pod that KFP would create from its executor and platform settings, and podman runs it. This
replaces neither Argo nor a kubelet: nothing is scheduled, no network policy or quota applies, and KFP's cache is not
used.
"""

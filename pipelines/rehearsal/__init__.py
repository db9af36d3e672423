"""A compiled package run in containers on one machine, as a cluster would run it, without a cluster.

Every step becomes the Pod that KFP would make of its executor and platform settings, and podman plays it. This stands
for neither Argo nor a kubelet: nothing is scheduled, no network policy or quota holds, and KFP's cache is not used.
"""

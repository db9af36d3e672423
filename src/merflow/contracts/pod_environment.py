"""Environment variables that tell a step about the pod and the pipeline run that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass

from merflow.contracts.kubernetes_names import image_digest

KFP_RUN_ID = "MERFLOW_KFP_RUN_ID"
KFP_UI = "MERFLOW_KFP_UI"
IMAGE = "MERFLOW_IMAGE"
# A pod's label with the id of its pipeline run. As a field of the pod it is not part of KFP's cache key.
KFP_RUN_ID_FIELD = "metadata.labels['pipeline/runid']"
# Set by KFP's own MLflow plugin where its administrator has turned injectUserEnvVars on.
PLUGIN_RUN_ID = "MLFLOW_RUN_ID"
PLUGIN_URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class PodEnvironment:
    """The pod that a step runs in.

    Attributes:
        kfp_run_id: Id of the pipeline run; empty outside of one.
        kfp_ui: Address of KFP's UI, for links; empty if it is not known.
        image: Reference of the pod's image; empty outside of a package.
        plugin_run_id: Id of the MLflow run that KFP's own plugin made for this task; empty without one.
        plugin_uri: The tracking server of that run; empty without one.
    """

    kfp_run_id: str
    kfp_ui: str
    image: str
    plugin_run_id: str
    plugin_uri: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "PodEnvironment":
        """Return what these variables tell; the plugin's count in a pipeline run alone, because users set them too."""
        run_id = environment.get(KFP_RUN_ID, "")
        return cls(
            kfp_run_id=run_id,
            kfp_ui=environment.get(KFP_UI, ""),
            image=environment.get(IMAGE, ""),
            plugin_run_id=environment.get(PLUGIN_RUN_ID, "") if run_id else "",
            plugin_uri=environment.get(PLUGIN_URI, "") if run_id else "",
        )

    @property
    def kfp_url(self) -> str:
        """Address of the pipeline run in KFP's UI; empty if it is not known."""
        known = self.kfp_run_id and self.kfp_ui
        return f"{self.kfp_ui.rstrip('/')}/#/runs/details/{self.kfp_run_id}" if known else ""

    def tags(self) -> dict[str, str]:
        """Return the tags of an MLflow run that is written in this pod."""
        tags = {
            "kfp.run_id": self.kfp_run_id,
            "kfp.url": self.kfp_url,
            "kfp.mlflow_run_id": self.plugin_run_id,
            "image": self.image,
            "image.digest": image_digest(self.image) or "",
        }
        return {key: value for key, value in tags.items() if value}

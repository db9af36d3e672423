from merflow.contracts.pod_environment import PodEnvironment

IMAGE = "registry.example/merflow/python:0.1.0@sha256:" + "a" * 64


def test_outside_of_a_pipeline_there_is_nothing_to_tag() -> None:
    assert PodEnvironment.read({}).tags() == {}


def test_a_pod_is_identified_by_its_run_its_image_and_a_link() -> None:
    pod = PodEnvironment.read(
        {"MERFLOW_KFP_RUN_ID": "6e9b", "MERFLOW_KFP_UI": "https://kfp.example/pipeline/", "MERFLOW_IMAGE": IMAGE}
    )
    assert pod.tags() == {
        "kfp.run_id": "6e9b",
        "kfp.url": "https://kfp.example/pipeline/#/runs/details/6e9b",
        "image": IMAGE,
        "image.digest": "sha256:" + "a" * 64,
    }


def test_without_an_address_of_the_ui_there_is_no_link_and_a_tag_is_not_a_digest() -> None:
    pod = PodEnvironment.read({"MERFLOW_KFP_RUN_ID": "6e9b", "MERFLOW_IMAGE": "merflow/python:0.1.0"})
    assert pod.tags() == {"kfp.run_id": "6e9b", "image": "merflow/python:0.1.0"}


def test_a_run_that_a_user_has_set_is_not_the_plugins() -> None:
    variables = {"MLFLOW_RUN_ID": "d0e5", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    assert PodEnvironment.read(variables).plugin_run_id == ""
    in_a_pod = PodEnvironment.read({**variables, "MERFLOW_KFP_RUN_ID": "6e9b"})
    assert (in_a_pod.plugin_run_id, in_a_pod.plugin_uri) == ("d0e5", "http://mlflow:5000")
    assert in_a_pod.tags()["kfp.mlflow_run_id"] == "d0e5"

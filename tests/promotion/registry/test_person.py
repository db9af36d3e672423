import getpass

import pytest

from merflow.promotion.registry.person import person


def test_the_first_that_is_set_names_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Anna Example")
    monkeypatch.setenv("GIT_CONFIG_KEY_1", "user.email")
    monkeypatch.setenv("GIT_CONFIG_VALUE_1", "anna@example.org")
    monkeypatch.delenv("MERFLOW_USER", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    assert person() == "Anna Example <anna@example.org>"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna-on-mlflow")
    assert person() == "anna-on-mlflow"
    monkeypatch.setenv("MERFLOW_USER", "the pipeline of anna")
    assert person() == "the pipeline of anna"


def test_without_git_the_login_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MERFLOW_USER", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")
    assert person() == getpass.getuser()

"""The file of cluster profiles, and the choice among them."""

import json
from pathlib import Path

import pytest

from merflow.errors import SubmissionError
from merflow.submission.profiles import EXAMPLE, choose, config_file, read_profiles, warnings_of
from tests.cli.command import merflow, refused


def test_the_example_is_a_profile_file(tmp_path: Path) -> None:
    path = tmp_path / "clusters.toml"
    path.write_text(EXAMPLE)
    found = read_profiles(path)
    lab = found.clusters["lab"]
    assert (found.default, lab.namespace, lab.auth) == ("lab", "speech", "token command")
    assert lab.token_command[:3] == ["kubectl", "create", "token"]
    path.write_text(EXAMPLE.replace("# ca_file", "ca_file").replace("# s3", "s3").replace("# study", "study"))
    assert read_profiles(path).clusters["lab"].s3 == "s3://merflow/lab"


def test_without_a_file_the_error_shows_one_to_copy(user: Path) -> None:
    error = refused("pipeline", "list")
    assert f"there are no cluster profiles: {user / 'clusters.toml'} does not exist; pass --host URL" in error
    assert EXAMPLE.strip() in error


def test_the_file_lies_where_the_platform_keeps_settings() -> None:
    assert config_file({"HOME": "/h"}, "linux") == Path("/h/.config/merflow/clusters.toml")
    assert config_file({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "linux") == Path("/x/merflow/clusters.toml")
    assert config_file({"HOME": "/h"}, "darwin") == Path("/h/Library/Application Support/merflow/clusters.toml")
    assert config_file({"HOME": "/h", "APPDATA": "/a"}, "win32") == Path("/a/merflow/clusters.toml")


def test_a_profile_is_chosen_by_option_variable_default_or_because_it_is_the_only_one(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = user / "clusters.toml"
    two = '[cluster.lab]\nhost = "https://lab.example.org"\n[cluster.cloud]\nhost = "https://cloud.example.org/"\n'
    path.write_text(two)
    with pytest.raises(
        SubmissionError, match='has no default profile; pass --profile NAME, or add a line such as default = "lab"'
    ):
        choose(None)
    path.write_text(f'default = "cloud"\n{two}')
    assert choose(None)[1].host == "https://cloud.example.org"
    monkeypatch.setenv("MERFLOW_PROFILE", "lab")
    assert choose(None)[0] == "lab"
    assert choose("cloud")[0] == "cloud"
    changed = choose("lab", host="http://localhost:8888", namespace="mine")[1]
    assert (changed.host, changed.namespace) == ("http://localhost:8888", "mine")
    with pytest.raises(SubmissionError, match=r"has no profile 'labb'; did you mean 'lab'\?"):
        choose("labb")
    monkeypatch.delenv("MERFLOW_PROFILE")
    path.write_text('[cluster.lab]\nhost = "https://lab.example.org"\n')
    assert choose(None)[0] == "lab"
    path.unlink()
    assert choose(None, host="http://localhost:8888")[1].auth == "none"
    with pytest.raises(SubmissionError, match="'localhost' is not a URL; write it as https://HOST or http://HOST:PORT"):
        choose(None, host="localhost")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cluster.lab\n", "is not TOML"),
        ("[cluster.lab]\n", "cluster.lab.host: Field required"),
        ('[cluster.lab]\nhost = "lab"\n', "'lab' is not a URL"),
        ('[cluster.lab]\nhost = "https://h"\nnamspace = "x"\n', "unknown key; did you mean 'namespace'?"),
        ('[cluster.lab]\nhost = "https://h"\ntoken_file = "t"\ntoken_command = "c"\n', "remove one of them"),
        ('[cluster.lab]\nhost = "https://h"\npassword = "hunter2"\n', "cluster.lab.password must not be in this file"),
        ('[cluster.lab]\nhost = "https://h"\nusername = "me"\n', "does not log in through web forms"),
        ('[cluster.lab]\nhost = "https://h"\ntoken = "abc"\n', "cluster.lab.token must not be in this file"),
        ('[cluster.lab]\nhost = "https://me:hunter2@h"\n', "contains a password, which does not belong in this file"),
        ('[cluster.lab]\nhost = "https://h"\ns3 = "bucket"\n', "write it as s3://BUCKET/PREFIX"),
        ('default = "cloud"\n[cluster.lab]\nhost = "https://h"\n', "default 'cloud' is not a profile; known: lab"),
    ],
)
def test_a_wrong_file_is_refused_without_telling_a_secret(user: Path, text: str, said: str) -> None:
    (user / "clusters.toml").write_text(text)
    error = refused("pipeline", "list")
    assert said in error
    assert "hunter2" not in error
    assert "abc" not in error


def test_files_that_others_may_use_are_warned_of(user: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o644)
    path = user / "clusters.toml"
    path.write_text(f'[cluster.lab]\nhost = "https://h"\ntoken_file = "{token}"\n')
    path.chmod(0o600)
    lab = read_profiles(path).clusters["lab"]
    assert list(warnings_of(path, lab)) == [f"everyone can read the token in {token}; run: chmod o-r {token}"]
    token.chmod(0o600)
    path.chmod(0o644)
    said = merflow("pipeline", "profiles")
    assert said.code == 0
    assert f"warning: everyone can read {path}" in said.err
    path.write_text('[cluster.lab]\nhost = "https://h"\ntoken_command = "echo x"\n')
    path.chmod(0o666)
    assert "its token_command runs as you" in merflow("pipeline", "profiles").err


def test_profiles_are_listed_for_people_and_machines(user: Path) -> None:
    (user / "clusters.toml").write_text(EXAMPLE)
    said = merflow("pipeline", "profiles")
    assert "lab (default)  https://kubeflow.example.org/pipeline  speech     merflow     token command" in said.out
    told = json.loads(merflow("pipeline", "profiles", "--json").out)
    assert told["default"] == "lab"
    assert told["profiles"]["lab"]["namespace"] == "speech"

import re
from pathlib import Path

from merflow.features.encoders.builders import ENCODERS
from merflow.presets.profiles import parse_profile, shipped_profile

PAGE = Path(__file__).parents[2] / "docs" / "encoders.md"


def test_the_profile_in_the_docs_is_one_and_every_encoder_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(# minilm\.yaml\n.*?)```", text, flags=re.DOTALL)
    profile = parse_profile(example, name="minilm", where="minilm.yaml")
    assert (profile.name, profile.base) == ("minilm", "paper")
    assert {profile.roles[role].settings["layers"] for role in ("text", "text_layers")} == {"last", "all"}
    assert profile.roles["video"] == shipped_profile("paper").roles["video"]
    pretrained = [name for name, entry in ENCODERS.items() if entry.revised]
    assert len(pretrained) == 8
    assert all(f"`{name}`" in text for name in pretrained)

"""The tutorial, carried out literally on recordings with EmoDB's names."""

from pathlib import Path

from tests.docs.emodb import SPEAKERS, write_emodb
from tests.docs.pages import Copy

# Settings that make the commands quick; the tutorial's own words stay as they are.
QUICK = {
    "max_epochs: null": "max_epochs: 1",
    "bootstrap_samples: 2000": "bootstrap_samples: 100",
    "protocol: auto": "protocol: session5-only",
    "uri: auto": "uri: none",
}


def shrink(params: Path) -> None:
    """Change the settings of :data:`QUICK`."""
    text = params.read_text(encoding="utf-8")
    for shipped, quick in QUICK.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, quick)
    params.write_text(text, encoding="utf-8")


def test_the_tutorial_ends_in_a_comparison(tmp_path: Path) -> None:
    copy = Copy.make(tmp_path / "merflow")
    write_emodb(copy.root / "emodb")
    shrink(copy.root / "params.yaml")
    table, index, validate, first, second, compared = copy.follow("tutorial.md")
    assert table.stdout == f"{4 * len(SPEAKERS)} recordings of {len(SPEAKERS)} speakers\n"
    assert f"index: {4 * len(SPEAKERS)} utterances" in index.stderr
    assert "meet all expectations" in validate.stderr
    assert "context-mmt:wavlm-fc-frozen" in first.stdout
    assert "context-mmt:wavlm-te-frozen" in first.stdout
    assert "layer-adapter-fusion:s" in second.stdout
    assert all(name in compared.stdout for name in ("wavlm-fc-frozen", "wavlm-te-frozen", "layer-adapter-fusion:s"))
    assert (copy.root / "check/validation/summary.html").is_file()
    assert (copy.root / "runs/emodb/report.html").is_file()

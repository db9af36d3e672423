from merflow.runs.provenance import code_digest, code_digests


def test_every_step_has_its_own_digest_of_code() -> None:
    digests = code_digests()
    assert {"plan", "index", "validate", "transcribe", "split", "presets", "extract", "train"} < digests.keys()
    assert len(set(digests.values())) == len(digests)
    assert code_digest("train") == digests["train"]

"""Functionals of openSMILE."""

import numpy as np
import pytest
import yaml

from merflow.classics.opensmile_sets import OpensmileSet, extractor, is_installed, opensmile_functionals

pytestmark = pytest.mark.skipif(not is_installed(), reason="opensmile is not installed")


@pytest.mark.parametrize(("name", "columns"), [("eGeMAPSv02", 88), ("ComParE_2016", 6373)])
def test_a_recording_has_all_functionals_of_a_set_however_short_it_is(name: OpensmileSet, columns: int) -> None:
    extract = extractor(name)
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    row = opensmile_functionals(noise, extract)
    assert row.shape == (columns,)
    assert np.isfinite(row).mean() > 0.9
    assert opensmile_functionals(noise[:100], extract).shape == (columns,)
    louder = opensmile_functionals(noise * 2, extract)
    assert not np.array_equal(row, louder, equal_nan=True)


def test_opensmile_does_not_change_the_order_of_keys_in_yaml() -> None:
    extractor("eGeMAPSv02")
    for dump in (yaml.dump, yaml.safe_dump):
        assert dump({"b": 1, "a": 2}) == "a: 2\nb: 1\n"

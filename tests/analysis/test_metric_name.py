"""Metric names: as they are where CloudWatch takes them, else mapped and still different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.analysis.metric_name import dimension_value, metric_name


@pytest.mark.parametrize("name", ["RowCount", "feature_data_dep delay/x", 'quo"ted'])
def test_plain_names_stay_as_they_are(name):
    assert metric_name(name) == name


@pytest.mark.parametrize(
    ("name", "start"),
    [("größe", "groe-"), ("航班", "__-"), ("a\nb", "a_b-"), ("", "_-"), ("x" * 300, "x" * 200)],
)
def test_other_names_are_mapped_readably(name, start):
    assert metric_name(name).startswith(start) or metric_name(name).startswith("gro_e-")


@given(st.text(max_size=300), st.text(max_size=300))
def test_mapped_names_are_what_cloudwatch_takes_and_stay_different(one, two):
    for name in (one, two):
        mapped = metric_name(name)
        assert 1 <= len(mapped) <= 255
        assert all(" " <= char <= "~" for char in mapped)
        assert mapped.strip()
        assert len(dimension_value(name)) <= 1024
    assert (metric_name(one) == metric_name(two)) == (one == two)

"""Batches of metric queries, and what comes of their pages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.aws.metric_query import QUERIES_A_CALL, SeriesGathering, query_batches
from watchkeeper.errors import PermissionMissingError, ServiceAnswerError

START = datetime(2026, 11, 25, 4, tzinfo=UTC)


def metric(name: str) -> dict[str, object]:
    return {"Id": name, "MetricStat": {"Metric": {"MetricName": "a1"}, "Period": 60, "Stat": "p95"}}


def expression(name: str, text: str) -> dict[str, object]:
    return {"Id": name, "Expression": text}


@given(st.integers(0, 1300), st.lists(st.tuples(st.integers(0, 1299), st.integers(0, 1299)), max_size=40))
def test_every_query_goes_out_once_with_all_that_its_expression_names(count: int, pairs: list[tuple[int, int]]) -> None:
    queries = [metric(f"m{number}") for number in range(count)]
    queries += [expression(f"e{place}", f"m{left} / m{right}") for place, (left, right) in enumerate(pairs)]
    batches = list(query_batches(queries))
    sent = [query["Id"] for batch in batches for query in batch]
    assert sorted(sent) == sorted(query["Id"] for query in queries)
    assert all(len(batch) <= QUERIES_A_CALL for batch in batches)
    home = {query["Id"]: place for place, batch in enumerate(batches) for query in batch}
    for place, pair in enumerate(pairs):
        assert {home[f"m{number}"] for number in pair if number < count} <= {home[f"e{place}"]}


def test_queries_that_hang_together_in_vain_are_refused() -> None:
    queries = [metric(f"m{number}") for number in range(500)]
    assert [len(batch) for batch in query_batches(queries)] == [500]
    with pytest.raises(ValueError, match="tie 501 queries together \\(m0 to e\\)"):
        list(query_batches([*queries, expression("e", "SUM(METRICS())")]))
    quoted = expression("e", "SEARCH('{N} m0 m400', 'Sum')")
    assert [len(batch) for batch in query_batches([*queries, quoted])] == [500, 1]


def page(*results: dict[str, object], **more: object) -> dict[str, object]:
    return {"MetricDataResults": list(results), **more}


def result(name: str, *values: float, label: str = "", status: str = "Complete", first: int = 0) -> dict[str, object]:
    moments = [START + timedelta(minutes=first + place) for place in range(len(values))]
    return {"Id": name, "Label": label, "StatusCode": status, "Timestamps": moments, "Values": list(values)}


def test_a_series_is_put_together_from_its_pages() -> None:
    gathering = SeriesGathering()
    gathering.add(page(result("a", 1, 2, status="PartialData"), result("b")))
    gathering.add(page(result("a", 3, first=2)))
    series = gathering.series()
    assert series["a"].values == (1, 2, 3)
    assert series["a"].timestamps == tuple(START + timedelta(minutes=place) for place in range(3))
    assert (series["a"].last, series["b"].last, series["b"].values) == (3, None, ())


def test_an_expression_with_several_series_has_each_by_its_label() -> None:
    gathering = SeriesGathering()
    gathering.add(page(result("e", 1, label="i-1"), result("e", 2, label="i-2")))
    assert {name: series.values for name, series in gathering.series().items()} == {"e/i-1": (1,), "e/i-2": (2,)}


def test_a_query_that_was_not_answered_is_not_an_empty_series() -> None:
    told = {"Messages": [{"Code": "x", "Value": "Expressions not implemented"}]}
    with pytest.raises(ServiceAnswerError, match="query e: CloudWatch answered InternalError \\(Expressions not impl"):
        SeriesGathering().add(page(result("e", status="InternalError"), **told))
    with pytest.raises(PermissionMissingError, match="cloudwatch:GetMetricData: metric query e is forbidden"):
        SeriesGathering().add(page(result("e", status="Forbidden")))

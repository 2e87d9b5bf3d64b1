import json

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.aws.metric_batch import MAXIMUM_BYTES, MAXIMUM_POINTS, MAXIMUM_VALUES, metric_batches


@given(sizes=st.lists(st.integers(0, 400), max_size=60), padding=st.integers(0, 4000))
def test_every_value_arrives_once_in_order_and_within_all_limits(sizes, padding):
    points = [
        {"MetricName": f"m{number}" + "x" * padding, "Values": list(range(size)), "Counts": [1.0] * size}
        for number, size in enumerate(sizes)
    ]
    batches = list(metric_batches(points))
    for batch in batches:
        assert 0 < len(batch) <= MAXIMUM_POINTS
        assert all(len(point["Values"]) == len(point["Counts"]) <= MAXIMUM_VALUES for point in batch)
        assert len(batch) == 1 or sum(len(json.dumps(point)) for point in batch) <= MAXIMUM_BYTES
    sent = [(point["MetricName"], value) for batch in batches for point in batch for value in point["Values"]]
    assert sent == [(point["MetricName"], value) for point in points for value in point["Values"]]


def test_a_batch_holds_a_thousand_points():
    assert [len(batch) for batch in metric_batches([{"MetricName": "m"}] * 2001)] == [1000, 1000, 1]

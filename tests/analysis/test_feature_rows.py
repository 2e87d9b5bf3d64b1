"""Features of payloads as rows: every shape an endpoint is sent gives the same rows, and faults say what they are."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.capture_records import Payload, PayloadError
from watchkeeper.analysis.feature_rows import FeatureReader

NAMES = ("age", "sex", "hours")
ROWS = [["41", "0", "40.5"], ["33", None, "60"]]
VALUES = [[41, 0, 40.5], [33, None, 60]]
OBJECTS = [dict(zip(NAMES, row, strict=True)) for row in VALUES]


def _json(document: object) -> Payload:
    return Payload(msgspec.json.encode(document).decode(), "JSON")


def _lines(documents: list) -> Payload:
    return Payload("\n".join(msgspec.json.encode(document).decode() for document in documents) + "\n", "JSON")


SHAPES = {
    "csv": (None, Payload("41,0,40.5\n33,,60\n")),
    "csv in base64": (None, Payload(base64.b64encode(b"41,0,40.5\n33,,60").decode(), "BASE64", "text/csv")),
    "list of rows": (None, _json(VALUES)),
    "objects": (None, _json(OBJECTS)),
    "objects, one a line": (None, _lines(OBJECTS)),
    "clarify's json": ("instances[*].features", _json({"instances": [{"features": row} for row in VALUES]})),
    "all rows under one key": ("instances", _json({"instances": VALUES})),
    "objects under a key": ("$.instances[*]", _json({"instances": OBJECTS})),
    "clarify's json lines": ("features", _lines([{"features": row} for row in VALUES])),
    "csv with a path that json would need": ("features", Payload("41,0,40.5\n33,,60")),
}


@pytest.mark.parametrize(("path", "payload"), SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_gives_the_same_rows(path, payload):
    assert FeatureReader(NAMES, path).rows(payload) == ROWS


def test_objects_keep_the_order_of_names_and_lack_what_they_lack():
    reader = FeatureReader(NAMES)
    assert reader.rows(_json([{"hours": 3, "other": "x", "age": 2}])) == [["2", None, "3"]]


def test_names_come_from_the_first_rows_and_hold_for_the_others():
    reader = FeatureReader()
    assert reader.names is None
    reader.rows(Payload("1,2"))
    assert reader.names == ("_c0", "_c1")
    with pytest.raises(PayloadError, match="3 features, where 2 were expected"):
        reader.rows(Payload("1,2,3"))
    keyed = FeatureReader()
    keyed.rows(_json({"a": 1, "b": 2}))
    assert keyed.names == ("a", "b")


def test_a_model_of_one_feature_takes_plain_values():
    reader = FeatureReader(("age",), "instances[*]")
    assert reader.rows(_json({"instances": [41, 33]})) == [["41"], ["33"]]


@pytest.mark.parametrize(
    ("path", "payload", "message"),
    [
        (None, Payload("41,0"), "2 features, where 3 were expected"),
        (None, Payload(""), "an empty payload"),
        (None, _json([{"a": 1}]), "none of the features' names"),
        ("instances[*].features", _json({"records": VALUES}), "nothing stands where the path leads"),
        ("instances[*].features", Payload("{secret", "JSON"), "the input is neither JSON nor JSON Lines"),
        ("features", _json({"features": [[1, [2], 3]]}), "a list or an object"),
        ("features[*]", _json({"features": [1, 2, 3]}), "leave \\[\\*\\] off"),
        (None, Payload("x", "AVRO"), "payload encoding"),
    ],
)
def test_faults_say_what_they_are_without_quoting_the_payload(path, payload, message):
    with pytest.raises(PayloadError, match=message) as caught:
        FeatureReader(NAMES, path).rows(payload)
    assert "secret" not in str(caught.value)


@quick
@given(
    st.lists(
        st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1
    )
)
def test_json_and_json_lines_give_equal_rows(values):
    document = FeatureReader(NAMES, "instances").rows(_json({"instances": values}))
    lines = [FeatureReader(NAMES, "features").rows(_json({"features": row}))[0] for row in values]
    assert document == lines

"""Requests and answers of models: what is encoded comes back, and what does not fit is told without a value."""

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.model_payload import (
    CSV,
    JSON,
    JSON_LINES,
    RequestFormat,
    decode_answers,
    decode_labels,
    encode_batch,
)
from watchkeeper.errors import DatasetError, ModelAnswerError

INSTANCES, FEATURES = '{"instances":$records}', '{"features":$features}'
FORMATS = {
    "csv": RequestFormat(),
    "records of lists": RequestFormat(JSON, None, INSTANCES, FEATURES, label="instances[*].features"),
    "bare records": RequestFormat(JSON, content_template="$records", record_template="$features"),
    "records of objects": RequestFormat(JSON, content_template='{"rows": $records}', record_template="$features_kvp"),
    "lines of lists": RequestFormat(JSON_LINES, content_template='{"x":{"features":$features}}', label="x.features"),
    "lines of objects": RequestFormat(JSON_LINES, record_template="$features_kvp"),
}  # fmt: skip
SCORES = RequestFormat(JSON, JSON, INSTANCES, FEATURES, label="predictions[*].score")

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    height = draw(st.integers(1, 4))
    kinds = draw(st.lists(st.sampled_from(["int", "float", "text", "bool"]), min_size=1, max_size=4))
    values = {"int": st.integers(-(2**63), 2**63 - 1), "float": FINITE, "text": TEXTS, "bool": st.booleans()}
    types = {"int": pl.Int64, "float": pl.Float64, "text": pl.String, "bool": pl.Boolean}
    columns = {
        f"column {place}": pl.Series(
            draw(st.lists(st.none() | values[kind], min_size=height, max_size=height)), dtype=types[kind]
        )
        for place, kind in enumerate(kinds)
    }
    return pl.DataFrame(columns)


def asked(body: bytes, name: str) -> list[list[Any]]:
    """Return the rows of a request as a model reads them, by parsers that are not ours."""
    text = body.decode()
    match name:
        case "csv":
            return list(csv.reader(io.StringIO(text)))
        case "records of lists":
            return [row["features"] for row in json.loads(text)["instances"]]
        case "bare records":
            return json.loads(text)
        case "records of objects":
            return [list(row.values()) for row in json.loads(text)["rows"]]
        case "lines of lists":
            return [json.loads(line)["x"]["features"] for line in text.splitlines()]
        case _:
            return [list(json.loads(line).values()) for line in text.splitlines()]


@quick
@given(frames(), st.sampled_from(list(FORMATS)))
def test_a_model_reads_the_values_and_their_kinds(frame, name):
    expected = [[None if value == "" else value for value in row] for row in frame.rows()]
    found = asked(encode_batch(frame, FORMATS[name]), name)
    if name != "csv":
        assert found == expected
        assert [list(map(type, row)) for row in found] == [list(map(type, row)) for row in expected]
        return
    assert [[value or None for value in row] for row in found] == [list(map(_csv_text, row)) for row in expected]


def _csv_text(value: object) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return pl.select(pl.lit(value).cast(pl.String)).item()
        case None:
            return None
        case _:
            return str(value)


@quick
@given(st.integers(1, 3), st.data())
def test_what_an_echoing_model_answers_is_what_it_was_asked(width, data):
    rows = data.draw(st.lists(st.lists(FINITE, min_size=width, max_size=width), min_size=1, max_size=5))
    frame = pl.DataFrame(rows, schema=[f"f{place}" for place in range(width)], orient="row")
    for name, form in FORMATS.items():
        if "objects" in name:
            continue
        assert decode_answers(encode_batch(frame, form), form, len(rows)).tolist() == rows


def test_integers_stay_integers_and_texts_keep_their_text():
    frame = pl.DataFrame({"n": [39, None], "x": [1597.0, math.nan], "s": ["007", ""], "t": ['a,"b"', None]})
    assert encode_batch(frame, FORMATS["csv"]) == b'39,1597.0,007,"a,""b"""\n,,,\n'
    assert encode_batch(frame, FORMATS["lines of objects"]) == (
        b'{"n":39,"x":1597.0,"s":"007","t":"a,\\"b\\""}\n{"n":null,"x":null,"s":null,"t":null}\n'
    )
    assert encode_batch(pl.DataFrame({"n": [None, 1]}), FORMATS["csv"]) == b'""\n1\n'


def test_one_record_a_request():
    single = RequestFormat(JSON, content_template='{"x": $record}', record_template="$features_kvp", label="score")
    assert (single.is_single, SCORES.is_single) == (True, False)
    assert encode_batch(pl.DataFrame({"a": [1]}), single) == b'{"x": {"a":1}}'
    assert decode_answers(b'{"score": [0.25, 0.75]}\n', single, 1).tolist() == [[0.25, 0.75]]


def test_clarifys_own_example(real_data: Path):
    config = json.loads((real_data / "analysis_config" / "explainability_90d3ea06.json").read_text())
    form = RequestFormat.from_config(config["predictor"], config["dataset_type"])
    assert form == SCORES
    baseline = config["methods"]["shap"]["baseline"]
    frame = pl.DataFrame([row["features"] for row in baseline["instances"]], orient="row")
    assert json.loads(encode_batch(frame, form)) == baseline
    assert decode_answers(b'{"predictions": [{"score": 0.125}]}', form, 1).tolist() == [[0.125]]


JSON_BY_CSV = RequestFormat(CSV, JSON)

ANSWERS = {
    "a csv column": (RequestFormat(label="1"), b"yes,0.5\nno,0.25\n", [[0.5], [0.25]]),
    "all csv columns": (RequestFormat(), b"0.5,0.5\r\n0.25,0.75", [[0.5, 0.5], [0.25, 0.75]]),
    "one csv line": (RequestFormat(), b"0.5,0.25", [[0.5], [0.25]]),
    "a list in a csv field": (
        RequestFormat(label="0", probability="1"),
        b'yes,"[0.5, 0.5]"\nno,"[0.25, 0.75]"\n',
        [[0.5, 0.5], [0.25, 0.75]],
    ),
    "scores": (SCORES, b'{"predictions":[{"score":0.5},{"score":0.25}]}', [[0.5], [0.25]]),
    "lists of scores": (SCORES, b'{"predictions":[{"score":[0.5,1]},{"score":[0.25,2]}]}', [[0.5, 1], [0.25, 2]]),
    "a list": (JSON_BY_CSV, b"[0.5, 0.25]", [[0.5], [0.25]]),
    "a list of lists": (JSON_BY_CSV, b"[[0.5, 1], [0.25, 2]]", [[0.5, 1], [0.25, 2]]),
    "the only key": (JSON_BY_CSV, b'{"predictions": [0.5, 0.25]}', [[0.5], [0.25]]),
    "a path to a list": (RequestFormat(CSV, JSON, label="p.q"), b'{"p":{"q":[[0.5],[0.25]]},"m":1}', [[0.5], [0.25]]),
    "an index of lists": (RequestFormat(CSV, JSON, label="1"), b'[["a", 0.5], ["b", 0.25]]', [[0.5], [0.25]]),
    "a list of objects": (RequestFormat(CSV, JSON, label="s"), b'[{"s":0.5,"l":1},{"s":0.25,"l":0}]', [[0.5], [0.25]]),
    "lines": (RequestFormat(CSV, JSON_LINES, label="s"), b'{"s":0.5,"l":1}\n{"s":0.25,"l":0}\n', [[0.5], [0.25]]),
    "lines of lists": (RequestFormat(CSV, JSON_LINES, label="s"), b'{"s":[1,2]}\n{"s":[3,4]}', [[1, 2], [3, 4]]),
    "bare lines": (RequestFormat(CSV, JSON_LINES), b"0.5\n0.25\n", [[0.5], [0.25]]),
    "lines where json was asked": (RequestFormat(CSV, JSON, label="s"), b'{"s":0.5}\n{"s":0.25}\n', [[0.5], [0.25]]),
    "booleans and texts that are numbers": (JSON_BY_CSV, b'[true, "0.25"]', [[1.0], [0.25]]),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_where_answers_stand(name):
    form, body, expected = ANSWERS[name]
    assert decode_answers(body, form, 2).tolist() == expected
    named = RequestFormat(form.content_type, form.accept_type, form.content_template, form.record_template, form.label,
                          form.probability, tuple(map(str, range(len(expected[0])))))  # fmt: skip
    assert decode_answers(body, named, 2).dtype == np.float64


def test_one_row_is_not_taken_for_its_labels():
    assert decode_answers(b'{"predictions":[{"score":[0.5,1]}]}', SCORES, 1).tolist() == [[0.5, 1]]
    assert decode_answers(b"[[0.5, 1]]", JSON_BY_CSV, 1).tolist() == [[0.5, 1]]
    assert decode_answers(b'{"s": 0.5}\n', RequestFormat(CSV, JSON, label="s"), 1).tolist() == [[0.5]]
    assert decode_answers(b"0.5,0.25", RequestFormat(), 1).tolist() == [[0.5, 0.25]]


def test_labels_are_text():
    assert decode_labels(b"yes,0.5\nno,0.25\n", RequestFormat(label="0", probability="1"), 2) == ["yes", "no"]
    assert decode_labels(b'{"l":1,"s":0.5}\n{"l":null,"s":1}', RequestFormat(CSV, JSON_LINES, label="l"), 2) == [
        "1",
        None,
    ]
    for body in (b'[["secret", "b"]]', b'[{"secret": 1}]'):
        with pytest.raises(ModelAnswerError) as caught:
            decode_labels(body, JSON_BY_CSV, 1)
        assert "secret" not in str(caught.value)


UNFIT = {
    "too few": (RequestFormat(), b"0.5\n", "1 rows for 2 that were sent"),
    "too many": (SCORES, b'{"predictions":[{"score":1},{"score":1},{"score":1}]}', "3 rows for 2"),
    "none": (RequestFormat(), b"", "an empty payload"),
    "NaN in csv": (RequestFormat(), b"nan\n0.5\n", "1 of 2 numbers are NaN, infinite or missing"),
    "infinite": (RequestFormat(), b"-inf\n0.5\n", "1 of 2 numbers are NaN, infinite or missing"),
    "missing": (JSON_BY_CSV, b"[null, 0.5]", "1 of 2 numbers"),
    "a missing field": (RequestFormat(), b"0.5,\n0.5,1\n", "1 of 4 numbers"),
    "NaN is no JSON": (SCORES, b'{"predictions":[{"score":NaN},{"score":1}]}', "neither JSON nor JSON Lines"),
    "text": (RequestFormat(), b"secret\n0.5\n", "other values than numbers"),
    "objects": (JSON_BY_CSV, b'[{"secret": 1, "b": 2}, {"secret": 1, "b": 2}]', "other values than numbers"),
    "uneven": (RequestFormat(), b"0.5,1\n0.5\n", "1 to 2 numbers a row"),
    "not JSON": (SCORES, b"secret", "neither JSON nor JSON Lines (application/json, predictions[*].score)"),
    "not UTF-8": (RequestFormat(), b"\xff\xfe", "not UTF-8"),
    "elsewhere": (SCORES, b'{"secret":[{"score":1}]}', "nothing stands where the path leads"),
    "no list": (SCORES, b'{"predictions":0.5}', "no list where the path says [*]"),
    "several keys": (JSON_BY_CSV, b'{"secret":[1,2],"b":[1,2]}', "2 keys to choose from"),
    "no such column": (RequestFormat(label="1"), b"0.5\n0.5\n", "1 fields, where column 1 was expected"),
    "no such element": (RequestFormat(CSV, JSON, label="3"), b"[[1],[2]]", "1 fields, where column 3"),
    "other labels": (RequestFormat(label_headers=("a", "b")), b"0.5\n0.5\n", "1 numbers a row, where label_headers"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_an_answer_that_does_not_fit_is_told_and_not_quoted(name):
    form, body, reason = UNFIT[name]
    with pytest.raises(ModelAnswerError) as caught:
        decode_answers(body, form, 2)
    assert reason in caught.value.found
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


def test_infinite_numbers_cannot_be_asked():
    with pytest.raises(DatasetError, match="infinite numbers in b"):
        encode_batch(pl.DataFrame({"a": [1.0], "b": [math.inf]}), RequestFormat())


def _arguments(content_type: str, **more: str) -> dict[str, str]:
    return {"content_type": content_type, **more}


def test_all_that_is_wrong_with_a_format_is_told_at_once():
    with pytest.raises(ValueError, match="content_type 'text/xml'; one of text/csv") as caught:
        RequestFormat("text/xml", "image/png", label="a..b", probability="[")
    assert str(caught.value).count(";") >= 4
    for wrong, reason in [
        (_arguments(JSON), "content_template needs $record or $records, once, for application/json; got None"),
        (_arguments(JSON, content_template="$records"), "record_template needs $features or $features_kvp"),
        (_arguments(JSON, content_template="[$records", record_template="$features"), "no JSON when filled in"),
        (_arguments(JSON_LINES), "content_template needs $features or $features_kvp, once"),
        (_arguments(JSON_LINES, content_template="$features,$features"), "once"),
        (_arguments(CSV, label="score"), "label 'score' is no column's index, and CSV answers have no names"),
    ]:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
            RequestFormat(**wrong)
        assert reason in str(caught.value)


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("WATCHKEEPER_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "real")
    if not (folder / "analysis_config").is_dir():
        pytest.skip(f"no documents of AWS's own at {folder}; WATCHKEEPER_REAL_DATA names their folder")
    return folder

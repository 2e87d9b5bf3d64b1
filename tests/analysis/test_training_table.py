"""Merged records to training and evaluation tables, and back to rows that can be compared."""

import base64
import csv
import io
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.analysis.model_comparison import Decision, GateRules, compare_models
from watchkeeper.analysis.scored_rows import BINARY
from watchkeeper.analysis.training_table import (
    LabelledRow,
    TableSchema,
    evaluation_csv,
    is_held_out,
    read_labelled,
    scored_rows,
    training_csv,
)

SCHEMA = TableSchema(("carrier", "delay"), "late", output_columns=("probability",), prediction="probability")


def payload(text: str, encoding: str = "CSV", **fields: str) -> dict[str, str]:
    return {"data": text, "encoding": encoding, **fields}


def line(
    request: Any = "AA,5",
    answer: Any = "0.3",
    label: Any = "1",
    event: str = "e1",
    time: str = "2026-11-01T05:00:00Z",
) -> bytes:
    def side(part: Any) -> Any:
        return payload(part) if isinstance(part, str) else part

    record = {
        "captureData": {"endpointInput": side(request), "endpointOutput": side(answer)},
        "eventMetadata": {"eventId": event, "inferenceTime": time},
        "eventVersion": "0",
        "groundTruthData": side(label),
    }
    record["captureData"] = {name: part for name, part in record["captureData"].items() if part is not None}
    return json.dumps({name: part for name, part in record.items() if part is not None}).encode()


def read(*lines: bytes, schema: TableSchema = SCHEMA) -> list[tuple[tuple[str | None, ...], str, str | None]]:
    return [(row.inputs, row.label, row.prediction) for row in read_labelled(lines, schema).rows]


def test_a_csv_record_becomes_a_row_with_the_registrys_names() -> None:
    rows = read_labelled([line()], SCHEMA).rows
    assert training_csv(rows, SCHEMA).decode() == "carrier,delay,late\nAA,5,1\n"
    assert evaluation_csv(rows, SCHEMA).decode() == ("row_id,carrier,delay,late,champion_prediction\ne1/0,AA,5,1,0.3\n")
    assert training_csv(rows, SCHEMA, header=False).decode() == "AA,5,1\n"


def test_several_records_of_one_invocation_share_its_label_list() -> None:
    two = [(("AA", "5"), "1", "0.3"), (("BB", None), "0", "0.4")]
    for label in ("1\n0", "1,0", payload("[1, 0]", "JSON"), payload('{"late": 1}\n{"late": 0}', "JSON")):
        assert read(line("AA,5\nBB,\n", "0.3\n0.4\n", label)) == two
    assert read(line("AA,5\nBB,", "0.3,0.4", "1,0")) == two


def test_json_is_read_by_its_keys_whatever_their_order() -> None:
    schema = TableSchema(("carrier", "delay"), "late", label_key="truth", prediction="score")
    request = payload('[{"delay": 5, "carrier": "AA", "other": 1}, {"carrier": null, "delay": 7.50}]', "JSON")
    answer = payload('{"score": 0.3, "class": 0}\n{"score": 0.4, "class": 0}', "JSON")
    label = payload('[{"truth": true, "note": "x"}, {"truth": false, "note": "y"}]', "JSON")
    assert read(line(request, answer, label), schema=schema) == [
        (("AA", "5"), "true", "0.3"),
        ((None, "7.50"), "false", "0.4"),
    ]


def test_base64_and_quoted_csv_are_read_too() -> None:
    request = payload(base64.b64encode(b'"A,A",5').decode(), "BASE64", observedContentType="text/csv")
    rows = read_labelled([line(request)], SCHEMA).rows
    assert rows[0].inputs == ("A,A", "5")
    assert training_csv(rows, SCHEMA).decode().splitlines()[1] == '"A,A",5,1'


@pytest.mark.parametrize(
    ("answer", "schema", "prediction"),
    [
        ("0,0.3", TableSchema(("carrier", "delay"), "late", prediction="1"), "0.3"),
        ("0,0.3", TableSchema(("carrier", "delay"), "late"), None),
        ("0.3", TableSchema(("carrier", "delay"), "late"), "0.3"),
        (payload('{"a": {"b": 1}}', "JSON"), SCHEMA, None),
        ("0.3\n0.4", SCHEMA, None),
        (None, SCHEMA, None),
    ],
)
def test_an_answer_that_cannot_be_told_leaves_the_row_for_training(
    answer: Any, schema: TableSchema, prediction: str | None
) -> None:
    assert read(line(answer=answer), schema=schema) == [(("AA", "5"), "1", prediction)]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"{", "not a merged record"),
        (b'{"captureData": {}}', "the input was not captured"),
        (line(label=None), "no ground truth"),
        (line("AA"), "an input of another number of fields than the 2 of input_columns"),
        (line(payload('{"carrier": 1}', "JSON")), "an input lacks one of input_columns"),
        (
            line(payload('{"instances": [1]}', "JSON")),
            "nested JSON: values must be plain; flatten them at the endpoint",
        ),
        (line(label="1\n0"), "another number of labels than of rows"),
        (line("A,1\nB,2", label="1,2,3"), "a ground truth of several fields a row; give the label alone"),
        (line(label=payload('{"x": 1, "y": 2}', "JSON")), "a row without a label"),
    ],
)
def test_what_cannot_be_used_is_counted_by_its_reason(record: bytes, reason: str) -> None:
    found = read_labelled([record, b"\n", line()], SCHEMA)
    assert found.skipped == {reason: 1}
    assert len(found.rows) == 1


@given(st.randoms(use_true_random=False))
def test_the_order_is_that_of_time_whatever_order_the_lines_come_in(source: random.Random) -> None:
    lines = [
        line(f"AA,{number}\nBB,{number}", "0\n1", "0\n1", f"e{number % 7}", f"2026-11-01T05:00:{number:02d}Z")
        for number in range(20)
    ]
    expected = read_labelled(lines, SCHEMA)
    source.shuffle(lines)
    assert read_labelled(lines, SCHEMA) == expected
    assert [row.inputs[1] for row in expected.rows[::2]] == [str(number) for number in range(20)]


def test_rows_held_out_are_the_share_asked_for_and_stay_the_same() -> None:
    rows = [LabelledRow("", (f"event-{number}", 0), ("a", "b"), "1") for number in range(4000)]
    third = {row.row_id for row in rows if is_held_out(row, 0.3)}
    assert 0.27 < len(third) / len(rows) < 0.33
    assert third == {row.row_id for row in reversed(rows) if is_held_out(row, 0.3)}
    assert third < {row.row_id for row in rows if is_held_out(row, 0.5)}
    assert all(is_held_out(row, 1.0) for row in rows)
    others = LabelledRow("later", ("event-1", 5), ("x", "y"), "0")
    assert is_held_out(others, 0.3) is is_held_out(rows[1], 0.3)


def test_the_tables_come_back_as_rows_that_can_be_compared() -> None:
    lines = [line(f"{'AB'[n % 2]},{n}", "0.5", str(n % 2), f"e{n}") for n in range(300)]
    evaluation = evaluation_csv(read_labelled(lines, SCHEMA).rows, SCHEMA)
    table = list(csv.DictReader(io.StringIO(evaluation.decode())))
    answers = [f"{row['row_id']},{row['late']}" for row in reversed(table)]
    by_id = scored_rows(evaluation, "\n".join(["row_id,prediction", *answers]).encode(), SCHEMA, ["carrier"])
    by_place = scored_rows(
        evaluation, "\n".join(["prediction", *(row["late"] for row in table)]).encode(), SCHEMA, ["carrier"]
    )
    assert by_id == by_place
    result = compare_models(by_id, BINARY, GateRules())
    assert (result.decision, result.improvement.champion, result.improvement.challenger) == (Decision.PROMOTE, 0.5, 1.0)
    fewer = scored_rows(evaluation, b"prediction\n1\n", SCHEMA)
    assert "300 labels, but 1 rows of challenger" in compare_models(fewer, BINARY).reason
    lost = scored_rows(evaluation, b"row_id,prediction\ne1/0,1\n", SCHEMA)
    assert compare_models(lost, BINARY).reason.startswith("Undecided: the challenger left 299 of 300 rows")


def test_tables_that_lack_a_column_are_told() -> None:
    evaluation = evaluation_csv(read_labelled([line()], SCHEMA).rows, SCHEMA)
    with pytest.raises(ValueError, match="no column 'prediction'; got x"):
        scored_rows(evaluation, b"x\n1\n", SCHEMA)
    with pytest.raises(ValueError, match="no header"):
        scored_rows(evaluation, b"", SCHEMA)
    with pytest.raises(ValueError, match="no column 'plan'; segments are input columns"):
        scored_rows(evaluation, b"prediction\n1\n", SCHEMA, ["plan"])
    with pytest.raises(ValueError, match="the label 'delay' has the name of another column"):
        TableSchema(("delay",), "delay")


def test_a_real_merged_record_is_read() -> None:
    folder = os.environ.get("WATCHKEEPER_REAL_DATA")
    if not folder:
        pytest.skip("WATCHKEEPER_REAL_DATA is not set")
    document = json.loads((Path(folder) / "merged" / "endpoint_jsonlines_adult.json").read_text())
    # Its features are a list under one key, which is nested: it is counted, not guessed at.
    found = read_labelled([json.dumps(document).encode()], SCHEMA)
    assert sum(found.skipped.values()) == 1

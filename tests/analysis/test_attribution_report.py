"""Clarify's analysis.json of attributions: aggregation, order, and bytes that read back."""

import json

import numpy as np
import pytest

from tests.analysis.attribution_samples import explanation_of, report_of
from watchkeeper.analysis.attribution_report import (
    aggregated,
    attribution_report_of,
    decode_attribution_report,
    encode_attribution_report,
)
from watchkeeper.analysis.explanation import Explanation
from watchkeeper.analysis.shap_settings import Aggregation, ShapSettings
from watchkeeper.errors import DocumentError

VALUES = np.array([[[1.0, -2.0]], [[-3.0, 4.0]], [[0.5, 6.0]]])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Aggregation.MEAN_ABS, [1.5, 4.0]),
        (Aggregation.MEDIAN, [0.5, 4.0]),
        (Aggregation.MEAN_SQ, [10.25 / 3, 56 / 3]),
    ],
)
def test_rows_are_summed_up_as_clarify_does(method: Aggregation, expected: list[float]) -> None:
    assert aggregated(VALUES, method)[0].tolist() == pytest.approx(expected)
    report = attribution_report_of(explanation_of(VALUES), ShapSettings(agg_method=method))
    assert [found.global_shap_values["f0"] for found in report.labels.values()] == pytest.approx(expected)


def test_labels_are_numbered_unless_they_have_headers() -> None:
    assert list(attribution_report_of(explanation_of(VALUES)).labels) == ["label0", "label1"]
    assert list(attribution_report_of(explanation_of(VALUES), label_headers=["no", "yes"]).labels) == ["no", "yes"]
    with pytest.raises(DocumentError, match="1 label headers, where the model answers 2 numbers"):
        attribution_report_of(explanation_of(VALUES), label_headers=["no"])


def test_only_the_features_that_were_asked_for_are_shown_in_the_datas_order() -> None:
    explanation = explanation_of(np.ones((2, 4)), ["a", "b", "c", "d"])
    report = attribution_report_of(explanation, ShapSettings(features_to_explain=("d", 1, "b")))
    assert list(report.labels["label0"].global_shap_values) == ["b", "d"]
    with pytest.raises(DocumentError, match="no such feature: z, 9"):
        attribution_report_of(explanation, ShapSettings(features_to_explain=("z", 9)))


def test_no_rows_are_no_report() -> None:
    with pytest.raises(DocumentError, match="no row was explained"):
        attribution_report_of(explanation_of(np.zeros((0, 2))))


def test_the_document_is_clarifys_to_the_byte() -> None:
    explanation = Explanation(("Age", "Größe"), np.array([[[0.1], [-1e-05]]]), np.array([0.250623226165771]))
    assert encode_attribution_report(attribution_report_of(explanation)).decode() == (
        "{\n"
        '    "version": "1.0",\n'
        '    "explanations": {\n'
        '        "kernel_shap": {\n'
        '            "label0": {\n'
        '                "global_shap_values": {\n'
        '                    "Age": 0.1,\n'
        '                    "Größe": 1e-05\n'
        "                },\n"
        '                "expected_value": 0.250623226165771\n'
        "            }\n"
        "        }\n"
        "    }\n"
        "}"
    )


def test_a_document_reads_back_whatever_else_it_holds() -> None:
    report = report_of(first={"b": 0.5, "a": 0.25}, second={"b": -1.0, "a": 3e300})
    assert decode_attribution_report(encode_attribution_report(report)) == report
    document = json.loads(encode_attribution_report(report))
    document["pre_training_bias_metrics"] = {"facets": {}}
    document["explanations"]["pdp"] = []
    document["explanations"]["kernel_shap"]["first"]["global_top_shap_text"] = {"a": {}}
    again = decode_attribution_report(json.dumps(document).encode())
    assert again == report
    assert list(again.labels["first"].global_shap_values) == ["b", "a"]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"version": "1.0"}', "explanations"),
        (b'{"explanations": {"kernel_shap": {}}}', "no label"),
        (
            b'{"explanations": {"kernel_shap": {"l": {"global_shap_values": {}, "expected_value": 0}}}}',
            "without features",
        ),
        (b'{"explanations": {"kernel_shap": {"l": {"global_shap_values": {"a": "x"}, "expected_value": 0}}}}', "float"),
    ],
)
def test_other_documents_are_refused(data: bytes, found: str) -> None:
    with pytest.raises(DocumentError, match=found) as caught:
        decode_attribution_report(data, "s3://bucket/analysis.json")
    assert str(caught.value).startswith("s3://bucket/analysis.json: ")

"""Tree models from their files: the libraries' own answers and attributions, Shapley's definition, and refusals."""

import json
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import shap
import xgboost
from numpy.typing import NDArray

from tests.analysis.test_kernel_shap import shapley
from tests.analysis.tree_samples import (
    FEATURES,
    LIGHTGBM,
    ROWS,
    XGBOOST,
    Sample,
    answers,
    contributions,
    frame,
    matrix,
    saved,
    target,
    trained,
)
from watchkeeper.analysis.kernel_shap import explain
from watchkeeper.analysis.shap_background import Background
from watchkeeper.analysis.shap_settings import ShapSettings
from watchkeeper.analysis.tree_model import load_tree_model
from watchkeeper.errors import ModelArtefactError

SOME = 25
# XGBoost adds up 32-bit floats, here they are 64-bit.
CLOSE = 2e-6


def evenly(rows: pl.DataFrame) -> Background:
    return Background(rows, np.full(len(rows), 1.0 / len(rows)))


@pytest.fixture(scope="module", params=[*XGBOOST, *LIGHTGBM], ids=str)
def sample(request: pytest.FixtureRequest) -> tuple[Sample, Any]:
    return request.param, trained(request.param)


def test_answers_are_the_librarys(sample: tuple[Sample, Any]) -> None:
    description, model = sample
    for form in ("json", "ubj") if description in XGBOOST else ("text",):
        read = load_tree_model(saved(model, form), "model")
        assert read.predict(frame()) == pytest.approx(answers(model), abs=CLOSE)
        assert read.margins(frame()) == pytest.approx(answers(model, margin=True), abs=CLOSE)


def test_attributions_without_a_background_are_the_librarys(sample: tuple[Sample, Any]) -> None:
    _, model = sample
    found = load_tree_model(saved(model), "model").explain(frame()[:SOME])
    theirs = contributions(model, found.label_count)[:SOME]
    assert found.values.transpose(0, 2, 1) == pytest.approx(theirs[:, :, :FEATURES], abs=CLOSE)
    assert found.expected_values == pytest.approx(theirs[0, :, FEATURES], abs=CLOSE)


def test_attributions_against_a_background_are_shapleys(sample: tuple[Sample, Any]) -> None:
    _, model = sample
    read = load_tree_model(saved(model), "model")
    rows = frame()[:6]

    def ask(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return read.margins(pl.DataFrame(values, schema=rows.columns).with_columns(pl.all().fill_nan(None)))

    for weights in (np.full(7, 1 / 7), np.arange(1.0, 8.0) / 28):
        background = Background(frame()[50:57], weights)
        found = read.explain(rows, background)
        for place, row in enumerate(rows.to_numpy().astype(np.float64)):
            assert found.values[place] == pytest.approx(shapley(ask, row, background), abs=1e-6)
        assert found.values.sum(axis=1) + found.expected_values == pytest.approx(read.margins(rows), abs=1e-6)


def test_kernel_shap_of_the_same_model_finds_the_same_or_explains_its_probabilities() -> None:
    read = load_tree_model(saved(trained(XGBOOST[0])), "model")
    background, rows = evenly(frame()[50:51]), frame()[:8]
    exact, asked = read.explain(rows, background), explain(read, rows, background, ShapSettings(use_logit=True))
    assert asked.values == pytest.approx(exact.values, abs=1e-6)
    assert asked.expected_values == pytest.approx(exact.expected_values, abs=1e-6)
    probabilities = explain(read, rows, background)
    answered = probabilities.values.sum(axis=1) + probabilities.expected_values
    assert answered == pytest.approx(read.predict(rows), abs=1e-6)


def test_attributions_are_shaps_of_the_library_model() -> None:
    # Not of DART or of zeros as missing values: there shap's own reading does not add up to the model's answers.
    for description in (XGBOOST[0], XGBOOST[2], LIGHTGBM[0], LIGHTGBM[2]):
        model = trained(description)
        background = evenly(frame()[50:90])
        theirs = shap.TreeExplainer(model, matrix()[50:90])
        values = np.asarray(theirs.shap_values(matrix()[:SOME], check_additivity=False)).reshape(SOME, FEATURES, -1)
        ours = load_tree_model(saved(model), "model").explain(frame()[:SOME], background)
        assert ours.values == pytest.approx(values, abs=CLOSE)
        assert ours.expected_values == pytest.approx(np.atleast_1d(theirs.expected_value), abs=CLOSE)


def test_features_are_found_by_name_wherever_they_stand() -> None:
    data = xgboost.DMatrix(matrix(), target(XGBOOST[0]), feature_names=list("abcde"))
    model = xgboost.train({"objective": "binary:logistic", "verbosity": 0}, data, 4)
    read = load_tree_model(saved(model), "model")
    turned = frame().select(*"ecdba")
    assert read.predict(turned) == pytest.approx(read.predict(frame()))
    more = turned.with_columns(pl.lit("text").alias("comment"))
    found = read.explain(more[:9], evenly(more[50:55]))
    assert found.features == ("e", "c", "d", "b", "a", "comment")
    assert not found.values[:, 5].any()
    straight = read.explain(frame()[:9], evenly(frame()[50:55]))
    assert found.values[:, [4, 3, 1, 2, 0]] == pytest.approx(straight.values)


def test_whole_numbers_and_booleans_are_numbers_and_texts_are_not() -> None:
    read = load_tree_model(saved(trained(XGBOOST[1])), "house-prices")
    mixed = frame().with_columns(pl.col("a").fill_null(0).cast(pl.Int64), pl.col("b") > 0)
    plain = mixed.cast(pl.Float64)
    assert read.predict(mixed).tolist() == read.predict(plain).tolist()
    with pytest.raises(ModelArtefactError, match=r"house-prices: text in a, where the model takes numbers"):
        read.predict(frame().with_columns(pl.col("a").cast(pl.String)))
    with pytest.raises(ModelArtefactError, match="4 features, where the model has 5"):
        read.predict(frame().drop("a"))


def test_a_model_that_was_stopped_early_ends_at_its_best_iteration() -> None:
    data = xgboost.DMatrix(matrix(), target(XGBOOST[0]))
    noise = xgboost.DMatrix(matrix(), 1 - target(XGBOOST[0]))
    options = {"objective": "binary:logistic", "verbosity": 0}
    model = xgboost.train(options, data, 20, evals=[(noise, "other")], early_stopping_rounds=3, verbose_eval=False)
    assert model.best_iteration + 1 < model.num_boosted_rounds()
    expected = model.predict(data, iteration_range=(0, model.best_iteration + 1))
    assert load_tree_model(saved(model), "model").predict(frame())[:, 0] == pytest.approx(expected, abs=CLOSE)


def test_an_older_files_single_base_score_is_read() -> None:
    document = json.loads(saved(trained(XGBOOST[0])))
    parameters = document["learner"]["learner_model_param"]
    (score,) = json.loads(parameters["base_score"])
    parameters["base_score"] = f"{score:E}"
    del document["learner"]["gradient_booster"]["model"]["iteration_indptr"]
    read = load_tree_model(json.dumps(document).encode(), "model")
    assert read.predict(frame()) == pytest.approx(answers(trained(XGBOOST[0])), abs=CLOSE)


def categorical(library: str) -> bytes:
    values = np.random.default_rng(0).integers(0, 6, (ROWS, 2)).astype(np.float64)
    label = np.isin(values[:, 0], [1, 4]).astype(np.float64)
    if library == "lightgbm":
        data = lightgbm.Dataset(values, label, categorical_feature=[0])
        return saved(lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 5}, data, 3))
    data = xgboost.DMatrix(values, label, feature_types=["c", "q"], enable_categorical=True)
    return saved(xgboost.train({"objective": "binary:logistic", "max_cat_to_onehot": 1, "verbosity": 0}, data, 3))


def multi_output() -> bytes:
    data = xgboost.DMatrix(matrix(), np.stack([target(XGBOOST[1])] * 2, axis=1))
    return saved(xgboost.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", "verbosity": 0}, data, 2))


def linear(library: str) -> bytes:
    if library == "lightgbm":
        data = lightgbm.Dataset(np.nan_to_num(matrix()), target(LIGHTGBM[2]))
        return saved(lightgbm.train({"objective": "regression", "linear_tree": True, "verbose": -1}, data, 3))
    data = xgboost.DMatrix(np.nan_to_num(matrix()), target(XGBOOST[1]))
    return saved(xgboost.train({"booster": "gblinear", "verbosity": 0}, data, 2))


def custom() -> bytes:
    return saved(trained(LIGHTGBM[0])).replace(b"objective=binary sigmoid:1\n", b"")


@pytest.mark.parametrize(
    ("artefact", "found"),
    [
        (lambda: categorical("xgboost"), "categorical splits"),
        (lambda: categorical("lightgbm"), "categorical splits"),
        (multi_output, "leaves that hold vectors"),
        (lambda: linear("xgboost"), "gblinear, which has no trees"),
        (lambda: linear("lightgbm"), "linear models in its leaves"),
        (custom, "the objective custom"),
        (lambda: saved(trained(XGBOOST[0])).replace(b"binary:logistic", b"binary:hinge"), "the objective binary:hinge"),
    ],
    ids=["xgboost-categories", "lightgbm-categories", "vectors", "gblinear", "linear-leaves", "custom", "hinge"],
)
def test_what_cannot_be_explained_exactly_is_refused_with_another_way(artefact: Any, found: str) -> None:
    with pytest.raises(ModelArtefactError, match=rf"{found}.*KernelSHAP, through its endpoint"):
        load_tree_model(artefact(), "model.tar.gz")


@pytest.mark.parametrize("form", ["json", "ubj", "text"])
def test_a_damaged_file_is_told_as_such(form: str) -> None:
    whole = saved(trained(LIGHTGBM[0] if form == "text" else XGBOOST[0]), form)
    for end in (len(whole) // 3, len(whole) // 2):
        with pytest.raises(ModelArtefactError, match="cannot be read"):
            load_tree_model(whole[:end], "model")


def test_a_model_of_no_trees_is_refused() -> None:
    document = json.loads(saved(trained(XGBOOST[0])))
    document["learner"]["gradient_booster"]["model"]["trees"] = []
    with pytest.raises(ModelArtefactError, match="without a tree"):
        load_tree_model(json.dumps(document).encode(), "model")


def test_a_lightgbm_forest_answers_the_mean_of_its_trees() -> None:
    options = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    model = trained(Sample("lightgbm", "regression", options))
    read = load_tree_model(saved(model), "model")
    assert read.predict(frame()) == pytest.approx(answers(model))
    found = read.explain(frame()[:SOME], evenly(frame()[50:60]))
    assert found.values.sum(axis=1) + found.expected_values == pytest.approx(answers(model)[:SOME], abs=1e-6)


def test_settings_do_not_change_what_is_exact() -> None:
    read = load_tree_model(saved(trained(XGBOOST[1])), "model")
    rows, background = frame()[:4], evenly(frame()[50:52])
    first = explain(read, rows, background, ShapSettings(seed=1))
    second = explain(read, rows, background, ShapSettings(seed=2))
    assert first.values == pytest.approx(second.values, abs=1e-12)

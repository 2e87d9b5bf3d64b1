"""A tree model that its owner hands over: its answers, and their attributions, exact by TreeSHAP."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from watchkeeper.analysis.explanation import Explanation
from watchkeeper.analysis.lightgbm_model import lightgbm_ensemble
from watchkeeper.analysis.model_artefact import ModelFile, ModelKind, model_file
from watchkeeper.analysis.shap_background import Background
from watchkeeper.analysis.tree_ensemble import Floats, Link, Tree, TreeEnsemble
from watchkeeper.analysis.ubjson_decoder import decode_ubjson
from watchkeeper.analysis.xgboost_model import UnsupportedModelError, xgboost_ensemble
from watchkeeper.errors import ModelArtefactError

_TINY = 1e-35  # what LightGBM takes for zero


def load_tree_model(artefact: bytes, name: str) -> "TreeModel":
    """Return the model in ``artefact``: XGBoost JSON or UBJSON, LightGBM text, or a model.tar.gz holding one.

    Raises
    ------
    ModelArtefactError
        when there is none or it is a pickle (see `model_file`), is damaged, or holds what cannot be explained exactly.
    """
    file = model_file(artefact, name)
    try:
        ensemble = _ensemble(file)
    except UnsupportedModelError as error:
        remedy = "Explain it by KernelSHAP, through its endpoint: that asks the model and needs no file"
        raise ModelArtefactError(name, f"{file.kind} with {error}", remedy) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        text = f"{file.name} starts as {file.kind}, but cannot be read ({type(error).__name__}: {error})"
        raise ModelArtefactError(name, text, "Save the model again with its library's save_model") from error
    if not ensemble.trees:
        raise ModelArtefactError(name, f"{file.kind} without a tree", "Train the model, then save it")
    return TreeModel(ensemble, name)


def _ensemble(file: ModelFile) -> TreeEnsemble:
    match file.kind:
        case ModelKind.XGBOOST_JSON:
            return xgboost_ensemble(json.loads(file.data))
        case ModelKind.XGBOOST_UBJSON:
            return xgboost_ensemble(decode_ubjson(file.data))
        case _:
            return lightgbm_ensemble(file.data.decode().replace("\r\n", "\n"))


@dataclass(frozen=True)
class TreeModel:
    """A tree model as a function of rows; rows name their features, or have them in the model's order."""

    ensemble: TreeEnsemble
    name: str

    def __call__(self, rows: pl.DataFrame) -> Floats:
        """Return the answers, which makes it a `Model`."""
        return self.predict(rows)

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the model's answers (rows × labels): values or probabilities.

        Raises
        ------
        ModelArtefactError
            when rows lack features or hold text.
        """
        margins = self.margins(rows)
        match self.ensemble.link:
            case Link.LOGISTIC:
                return 1.0 / (1.0 + np.exp(-self.ensemble.scale * margins))
            case Link.SOFTMAX:
                powers = np.exp(margins - margins.max(axis=1, keepdims=True))
                return powers / powers.sum(axis=1, keepdims=True)
            case Link.EXPONENTIAL:
                return np.exp(margins)
        return margins

    def margins(self, rows: pl.DataFrame) -> Floats:
        """Return the sums of leaves (rows × labels), before any link."""
        found = np.asarray(self._shap_trees.predict(self._matrix(rows), output="raw"), np.float64)
        return found.reshape(len(rows), len(self.ensemble.offsets))

    def explain(self, rows: pl.DataFrame, background: Background | None = None) -> Explanation:
        """Return exact attributions of the sum of leaves (Lundberg et al. 2020): of a classifier, its log-odds.

        With a background, as KernelSHAP measures them (*interventional*). Without, by the training rows that came by
        each node (*tree path dependent*), as ``pred_contribs`` and ``pred_contrib`` of the libraries.

        Probabilities have no such shortcut: what shap offers for them rescales log-odds, and is not Shapley's value.
        Who wants them asks `kernel_shap.explain`, whose model this is.
        """
        matrix = self._matrix(rows)
        if background is None:
            values, expected = self._explained(matrix, None)
        else:
            values, expected = self._against(matrix, self._matrix(background.rows), background.weights)
        names = tuple(rows.columns)
        out = np.zeros((len(rows), len(names), values.shape[2]))
        out[:, self._positions(rows)] = values
        return Explanation(names, out, expected)

    def _against(self, matrix: Floats, known: Floats, weights: Floats) -> tuple[Floats, Floats]:
        if np.ptp(weights) <= 1e-12 * weights.max():
            return self._explained(matrix, known)
        # shap weighs all background rows alike; attributions are linear in the background, so weigh them here.
        parts = [self._explained(matrix, known[row : row + 1]) for row in range(len(known))]
        values = sum(weight * found for weight, (found, _) in zip(weights, parts, strict=True))
        expected = sum(weight * found for weight, (_, found) in zip(weights, parts, strict=True))
        return np.asarray(values), np.asarray(expected)

    def _explained(self, matrix: Floats, known: Floats | None) -> tuple[Floats, Floats]:
        import shap

        masker = None if known is None else shap.maskers.Independent(known, max_samples=len(known))
        way = "tree_path_dependent" if known is None else "interventional"
        explainer = shap.TreeExplainer(self._shap_trees, masker, feature_perturbation=way)
        found = np.asarray(explainer.shap_values(matrix, check_additivity=False), np.float64)
        labels = len(self.ensemble.offsets)
        expected = np.asarray(explainer.expected_value, np.float64).reshape(labels)
        return found.reshape(*matrix.shape, labels), expected

    @cached_property
    def _shap_trees(self) -> Any:
        """The trees in the form that shap takes for models that it does not know."""
        from shap.explainers._tree import TreeEnsemble as ShapTrees

        labels = len(self.ensemble.offsets)
        document = {
            "trees": [_shap_tree(tree, labels) for tree in self.ensemble.trees],
            "base_offset": self.ensemble.offsets,
            "internal_dtype": np.float64,
            "input_dtype": np.float64,
        }
        return ShapTrees(document, model_output="raw")

    def _positions(self, rows: pl.DataFrame) -> list[int]:
        """Return where the model's features stand in ``rows``: by name where it has them all, else in order."""
        names, count = self.ensemble.feature_names, self.ensemble.feature_count
        if len(names) == count and set(names) <= set(rows.columns):
            return [rows.columns.index(name) for name in names]
        if rows.width != count:
            text = f"{rows.width} features, where the model has {count}"
            raise ModelArtefactError(self.name, text, "Give rows the model's features, in its order or by its names")
        return list(range(count))

    def _matrix(self, rows: pl.DataFrame) -> Floats:
        frame = rows.select(rows.columns[position] for position in self._positions(rows))
        texts = [
            name for name, kind in frame.schema.items() if not (kind.is_numeric() or kind in {pl.Boolean, pl.Null})
        ]
        if texts:
            text = f"text in {', '.join(texts)}, where the model takes numbers"
            raise ModelArtefactError(self.name, text, "Code texts as the training did, or explain by KernelSHAP")
        matrix = frame.cast(pl.Float64).to_numpy().astype(np.float64)
        if self.ensemble.single_precision:
            matrix = matrix.astype(np.float32).astype(np.float64)
        for feature in self.ensemble.zero_is_missing:
            column = matrix[:, feature]
            column[np.abs(column) <= _TINY] = np.nan
        return matrix


def _shap_tree(tree: Tree, labels: int) -> dict[str, Any]:
    values = np.zeros((len(tree.value), labels))
    values[:, tree.label] = tree.value
    return {
        "children_left": tree.left,
        "children_right": tree.right,
        "children_default": tree.default,
        "features": tree.feature,
        "thresholds": tree.threshold,
        "values": values,
        "node_sample_weight": tree.cover,
    }

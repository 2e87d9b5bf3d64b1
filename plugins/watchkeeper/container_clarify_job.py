"""What SageMaker Clarify's analysis_config.json and a job's variables ask of a run, every fault told at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from watchkeeper.analysis.bias_definition import BiasAttributes
from watchkeeper.analysis.capture_records import Payload, PayloadError
from watchkeeper.analysis.clarify_config import ClarifyConfig, read_clarify_config
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.model_payload import RequestFormat
from watchkeeper.analysis.shap_settings import ShapSettings
from watchkeeper.errors import ContainerContractError, DocumentError, WatchkeeperError

_CONFIG_FILE = "processing/input/config/analysis_config.json"
_MODEL_FOLDER = "processing/input/model"
_REMEDY = "Correct analysis_config.json or the job"


@dataclass(frozen=True)
class ClarifyJob:
    """What is asked for.

    ``bias`` are the attributes of a dataset's or of merged records' rows, ``None`` where bias is not asked for;
    ``asks_model`` says that the predictions are to come from the model. ``shap`` is ``None`` where no explanation is
    asked for. The model is ``model_file``, a tree model's, or else the predictor's, asked in ``request_format``.
    ``header`` says whether CSV begins with one, ``None`` for unknown. ``explained_rows`` is how many rows are explained
    at most. ``features_attribute`` is where the features stand in captured JSON.
    """

    config: ClarifyConfig
    header: bool | None = None
    bias: BiasAttributes | None = None
    asks_model: bool = False
    shap: ShapSettings | None = None
    request_format: RequestFormat = field(default_factory=RequestFormat)
    model_file: Path | None = None
    explained_rows: int | None = None
    features_attribute: str | None = None

    @property
    def label_headers(self) -> tuple[str, ...] | None:
        """What the numbers that the model answers are called, where that is known."""
        return self.request_format.label_headers or None


def find_analysis_config(root: Path, given: Path | None) -> Path | None:
    """Return the configuration's file: ``given``, or where Clarify's jobs have it; ``None`` where there is none."""
    if given is not None and not given.is_file():
        found = f"{given} is not there"
        raise ContainerContractError("watchkeeper_analysis_config", found, "Mount Clarify's analysis_config.json")
    place = given or root / _CONFIG_FILE
    return place if place.is_file() else None


def read_clarify_job(
    file: Path,
    root: Path,
    variables: Mapping[str, str],
    kind: str,
    *,
    header: bool | None = None,
    only: str | None = None,
) -> ClarifyJob:
    """Return what the configuration asks for; ``only`` narrows it to ``bias`` or ``shap``.

    ``kind`` is that of the data: ``merged`` or ``capture`` for a monitoring run's records, else a dataset of the
    configuration's type, with or without a ``header`` where that is known.

    Raises
    ------
    DocumentError, ContainerContractError
        with every fault of the configuration, or of the job.
    """
    config = read_clarify_config(file.read_bytes(), str(file))
    if config.headers is not None:
        config = config.with_columns(config.headers)
    return _Reader(config, root, variables, kind, only).job(header)


class _Reader:
    """Reads part by part and notes what is wrong, so that all of it is told at once."""

    def __init__(
        self, config: ClarifyConfig, root: Path, variables: Mapping[str, str], kind: str, only: str | None
    ) -> None:
        self._config = config
        self._root = root
        self._variables = variables
        self._kind = kind
        self._wants_bias = config.asks_for_bias and only != "shap"
        self._wants_shap = config.shap is not None and only != "bias"
        self._faults: list[str] = []

    def job(self, header: bool | None) -> ClarifyJob:
        if not self._wants_bias and not self._wants_shap:
            self._faults.append("methods asks for neither bias metrics nor shap, which are what this release computes")
        model_file = self._model_file()
        has_model = model_file is not None or self._predictor_name is not None
        needs_model = self._wants_shap or self._asks_model
        if needs_model and not has_model:
            wanted = "methods.shap needs" if self._wants_shap else "post_training_bias needs predicted_label, or"
            self._faults.append(
                f"{wanted} a model: predictor.model_name or endpoint_name, or a tree model's file in "
                f"/opt/ml/{_MODEL_FOLDER}"
            )
        request = RequestFormat()
        if needs_model and model_file is None:
            made = self._try(lambda: RequestFormat.from_config(self._config.predictor or {}, self._config.dataset_type))
            request = made or request
        elif self._config.predictor:
            headers = tuple(map(str, self._config.predictor.get("label_headers") or ()))
            request = replace(request, label_headers=headers)
        bias = self._try(self._attributes) if self._wants_bias else None
        shap = self._try(self._settings) if self._wants_shap else None
        rows = self._explained_rows()
        if self._variables.get("record_preprocessor_script"):
            self._faults.append("record_preprocessor_script is set, but Clarify's jobs have no preprocessor")
        if self._faults:
            count = len(self._faults)
            found = "; ".join(self._faults)
            raise ContainerContractError("the job", found if count == 1 else f"{count} faults: {found}", _REMEDY)
        return ClarifyJob(
            self._config,
            header,
            bias,
            self._asks_model,
            shap,
            request,
            model_file if needs_model else None,
            rows,
            self._features_attribute,
        )

    @property
    def _is_window(self) -> bool:
        return self._kind in {"merged", "capture"}

    @property
    def _features_attribute(self) -> str | None:
        own = self._config.features if self._config.is_json else None
        return self._variables.get("features_attribute") or own

    @property
    def _asks_model(self) -> bool:
        """Whether predictions have to come from the model: a monitoring run's are those that were captured."""
        config = self._config
        wanted = self._wants_bias and bool(config.post_training_metrics)
        return wanted and config.predicted_label is None and not self._is_window

    @property
    def _predictor_name(self) -> str | None:
        predictor = self._config.predictor or {}
        return predictor.get("model_name") or predictor.get("endpoint_name")

    def _model_file(self) -> Path | None:
        folder = self._root / _MODEL_FOLDER
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
        if len(files) > 1:
            names = ", ".join(path.name for path in files[:5])
            self._faults.append(f"/opt/ml/{_MODEL_FOLDER} holds {len(files)} files, {names}: mount the model's alone")
        return files[0] if files else None

    def _attributes(self) -> BiasAttributes:
        if self._kind == "capture":
            message = 'captures alone have no labels: join them with ground truth, and use {"sagemakerMergeJson":…}'
            raise ValueError(message)
        if self._is_window:
            return self._window_attributes()
        if self._asks_model:  # which of the two it answers is known when it is asked
            return self._config.bias_attributes(inference_attribute="0")
        return self._config.bias_attributes()

    def _window_attributes(self) -> BiasAttributes:
        """Return where a merged record's parts stand: as the variables say, else as the configuration's paths do."""
        config, said = self._config, self._variables
        predictor = config.predictor or {}
        inference, probability = said.get("inference_attribute"), said.get("probability_attribute")
        if not inference and not probability:
            inference, probability = predictor.get("label"), predictor.get("probability")
        own: dict[str, Any] = {
            # A dataset's column says nothing of ground truth in CSV, which holds the label alone.
            "ground_truth_attribute": said.get("ground_truth_attribute") or (config.label if config.is_json else None),
            "inference_attribute": None if inference in (None, "") else str(inference),
            "probability_attribute": None if probability in (None, "") else str(probability),
            "features_attribute": self._features_attribute,
        }
        if said.get("probability_threshold_attribute"):
            own["probability_threshold"] = self._share(said["probability_threshold_attribute"])
        attributes = config.bias_attributes(**own)
        if config.post_training_metrics and not attributes.has_predictions:
            message = "post_training_bias needs inference_attribute or probability_attribute, or predictor's label"
            raise ValueError(message)
        return attributes

    @staticmethod
    def _share(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            message = f"probability_threshold_attribute is {text!r}, where a number from 0 to 1 was expected"
            raise ValueError(message)
        return number

    def _settings(self) -> ShapSettings:
        shap = dict(self._config.shap or {})
        unknown = sorted({"text_config", "image_config"} & shap.keys())
        if unknown:
            message = f"methods.shap.{unknown[0]} is for data that this release does not explain"
            raise ValueError(message)
        baseline = shap.get("baseline")
        if isinstance(baseline, str):
            shap["baseline"] = self._baseline_rows(baseline)
        return ShapSettings.from_config(shap, features=self._config.features if self._config.is_json else None)

    def _baseline_rows(self, place: str) -> list[list[str | None]]:
        """Return the rows of a baseline's file in S3 or on this machine, in the dataset's format, without labels."""
        if place.startswith("s3://"):
            from watchkeeper.container_model import read_object

            body = read_object(place)
        else:
            local = self._root / place.removeprefix("/opt/ml/") if place.startswith("/opt/ml/") else Path(place)
            if not local.is_file():
                message = f"methods.shap.baseline: {place} is not there"
                raise ValueError(message)
            body = local.read_bytes()
        reader = FeatureReader(path=self._config.features if self._config.is_json else None)
        try:
            return reader.rows(Payload(body.decode().strip("\r\n"), "JSON" if self._config.is_json else "CSV"))
        except (PayloadError, UnicodeDecodeError) as error:
            message = f"methods.shap.baseline: {place} cannot be read ({error})"
            raise ValueError(message) from None

    def _explained_rows(self) -> int | None:
        text = self._variables.get("watchkeeper_explained_rows", "")
        if text and not (text.isascii() and text.isdigit() and int(text)):
            self._faults.append(f"watchkeeper_explained_rows is {text!r}, where a number of rows was expected")
            return None
        return int(text) if text else None

    def _try[T](self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except DocumentError as error:
            self._faults.append(f"{error.subject}: {error.found}")
        except (ValueError, WatchkeeperError) as error:
            self._faults.append(str(error))
        return None

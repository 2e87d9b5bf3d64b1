"""The model that an endpoint's file says to explain: a tree model's file, a shadow endpoint, or the live endpoint."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.model_requests import EndpointModel
from watchkeeper.errors import EndpointStateError, ModelAnswerError
from watchkeeper.operators.baseline_documents import read_object

if TYPE_CHECKING:
    import polars as pl

    from watchkeeper.analysis.explanation import Explanation
    from watchkeeper.analysis.shap_background import Background
    from watchkeeper.analysis.tree_model import TreeModel
    from watchkeeper.aws.probe_store import ProbeMeter
    from watchkeeper.aws.shadow_endpoint import ShadowEndpoint
    from watchkeeper.operators.endpoint_analysis import Tell
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.explainability_spec import ShadowSpec

PURPOSE = "explain"


def run_digest(dag_id: str, run_id: str) -> str:
    """Return what stands for a run in names and tags: the same for every try of it, another for another DAG's."""
    return sha256(f"{dag_id} {run_id}".encode()).hexdigest()[:12]


def declared_shadow(spec: "EndpointSpec") -> "ShadowSpec | None":
    """Return what is said of the shadow endpoint: by the monitor's section, else by Clarify's predictor there."""
    from watchkeeper.operators.attribution_rules import clarify_config
    from watchkeeper.registry.explainability_spec import ShadowSpec

    config, monitor = clarify_config(spec), spec.explainability
    if config is None or not config.predictor or "model" in monitor.model_fields_set:
        return monitor.model.shadow
    said = config.predictor
    return ShadowSpec.model_construct(
        model_name=said.get("model_name"),
        instance_type=said.get("instance_type"),
        instance_count=int(said.get("initial_instance_count") or 1),
    )


@dataclass
class ExplainedModel:
    """A model of one variant; opened when it is first asked, kept for all windows, closed at the end.

    ``close`` may be called from a signal handler, more than once, and while the model is being asked.
    """

    deployment: "Deployment"
    spec: "EndpointSpec"
    variant: str
    run_digest: str
    tell: "Tell"
    warn: "Tell"
    _held: ExitStack = field(default_factory=ExitStack, init=False)
    _shadow: "ShadowEndpoint | None" = field(default=None, init=False)
    _meter: "ProbeMeter | None" = field(default=None, init=False)
    _is_closed: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._held.close()

    def close(self) -> None:
        """Ask no more, and delete the shadow endpoint, if there is one; if that takes too long, the sweep finds it."""
        self._is_closed = True
        if self._shadow is not None and not self._shadow.close():
            self.warn(f"The shadow endpoint {self._shadow.endpoint_name} is left to the sweep at the end of the run")

    def explain(self, rows: "pl.DataFrame", background: "Background") -> "Explanation":
        """Return the attributions of ``rows``: by asking the model, or of a tree model's file exactly.

        Those of a classifier's file are of its log-odds.

        Raises
        ------
        ModelArtefactError, ModelAnswerError
            when the file, or what the model answers, cannot be used, or a live endpoint may be asked too many rows.
        EndpointStateError
            when the shadow endpoint cannot be made, or the model was closed.
        """
        from watchkeeper.analysis.kernel_shap import explain, most_rows
        from watchkeeper.operators.attribution_rules import shap_settings

        monitor, settings = self.spec.explainability.model, shap_settings(self.spec)
        if monitor.artefact is not None:
            return self._tree_model.explain(rows, background)
        if monitor.live is not None:
            self._refuse(most_rows(rows, background, settings), monitor.live.maximum_rows)
        return explain(self._asked, rows, background, settings)

    def _refuse(self, rows: int, maximum_rows: int) -> None:
        """Raise ModelAnswerError if so many rows are too many: before the first, which would be in vain."""
        left = maximum_rows - self._asked.row_count
        if rows > left:
            found = f"may be asked for {rows:,} rows, where {left:,} of maximum_rows {maximum_rows:,} are left"
            remedy = "Explain fewer rows (sample_rows), try fewer coalitions (shap.num_samples), or raise maximum_rows."
            raise ModelAnswerError(self.spec.endpoint_name, found, remedy)

    @cached_property
    def _tree_model(self) -> "TreeModel":
        from watchkeeper.analysis.tree_model import load_tree_model

        uri = str(self.spec.explainability.model.artefact)
        return load_tree_model(read_object(self.deployment, self.spec, uri), uri)

    @cached_property
    def _access(self) -> AwsAccess:
        return self.deployment.access_of(self.spec)

    @cached_property
    def _asked(self) -> EndpointModel:
        """The endpoint's model: one for all windows, so that it counts and numbers all that it is asked."""
        from watchkeeper.operators.attribution_rules import request_format

        digest, form = self.run_digest, request_format(self.spec)
        client, live = self._access.client("sagemaker-runtime"), self.spec.explainability.model.live
        if live is None:
            return EndpointModel(client, self._shadow_name(), form, PURPOSE, digest, before_request=self._note)
        from watchkeeper.aws.probe_store import ProbeMeter

        meter = ProbeMeter(self.deployment.probes, self.spec.registry_id, self.variant, digest)
        self._meter = self._held.enter_context(meter)
        return EndpointModel(
            client,
            self.spec.endpoint_name,
            form,
            PURPOSE,
            digest,
            variant=self.variant,
            requests_per_second=live.requests_per_second,
            maximum_rows=live.maximum_rows,
            before_request=self._note,
        )

    def _note(self, request_count: int) -> None:
        """Take note of requests that are about to be sent; EndpointStateError once the model was closed."""
        self._refuse_if_closed()
        if self._meter is not None:
            self._meter(request_count)

    def _refuse_if_closed(self) -> None:
        # Airflow's signal handler returns to where the task was: it would go on asking, or make another endpoint.
        if self._is_closed:
            raise EndpointStateError(self.spec.endpoint_name, "its model is asked no more", "The task was killed.")

    def _shadow_name(self) -> str:
        from watchkeeper.aws.shadow_endpoint import ShadowEndpoint, plan_shadow

        declared = declared_shadow(self.spec)
        client = self._access.client("sagemaker")
        plan = plan_shadow(
            client,
            endpoint=self.spec.registry_id,
            run_digest=self.run_digest,
            endpoint_name=self.spec.endpoint_name,
            variant=self.variant,
            model_name=declared.model_name if declared else None,
            instance_type=declared.instance_type if declared else None,
            instance_count=declared.instance_count if declared else 1,
        )
        # Another client for who interrupts this one: it may be holding its locks.
        kill_client = self._access.anew().client("sagemaker")
        self._shadow = ShadowEndpoint(client, plan, self.tell, kill_client)
        self._refuse_if_closed()
        self._held.enter_context(self._shadow)
        return self._shadow.endpoint_name

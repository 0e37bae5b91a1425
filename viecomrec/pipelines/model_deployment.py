"""Deploy one model with proof: check, reload, read back, golden requests, record; or go back."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import structlog

from viecomrec.adapters.deployment_journal import DeploymentJournal
from viecomrec.adapters.registry import ModelArtifact, ModelStore, RegistryStore
from viecomrec.adapters.service_client import ServiceClient
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain import deployment as rules
from viecomrec.domain.deployment import (
    Asked,
    Choice,
    DeploymentRecord,
    DeploymentState,
    LiveModel,
    TrafficSeen,
)
from viecomrec.domain.deployment_watch import WatchLimits, deployment_to_watch, what_got_worse
from viecomrec.domain.registry import Registry
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import (
    ServiceError,
    ServiceOfflineError,
    ServiceReplyLostError,
    VieComRecError,
)

log = structlog.get_logger()

PENDING_MESSAGE = "Service offline, will deploy on startup"


@dataclass(frozen=True)
class DeploymentRequest:
    model_id: str | None = None
    rollback: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Patience:
    """How long a reload may take to show, and how much the golden requests ask for."""

    attempts: int = 10
    wait_seconds: float = 1.0
    topk: int = 10


@dataclass(frozen=True)
class DeploymentTools:
    """What a deployment reads and changes."""

    registry: RegistryStore
    models: ModelStore
    snapshots: SnapshotStore
    service: ServiceClient
    journal: DeploymentJournal
    installation_id: str | None
    now: Callable[[], datetime]
    zone: tzinfo
    sleep: Callable[[float], None]
    patience: Patience = field(default_factory=Patience)
    watch_limits: WatchLimits = field(default_factory=WatchLimits)


def run(request: DeploymentRequest, tools: DeploymentTools) -> PipelineResult:
    """Bring the service to the chosen model and prove it, or leave it as it was.

    Whatever happens, the registry and the journal say afterwards what the service serves.
    """
    registry = tools.registry.read()
    choice = rules.choose_target(
        registry, request.model_id, rollback=request.rollback, history=tools.journal.read()
    )
    if choice.model_id is None:
        return PipelineResult(status=Status.SKIPPED, message=choice.note)
    deployment = _Deployment(tools, registry, choice, choice.model_id)
    if request.dry_run:
        return deployment.plan()
    return deployment.carry_out()


def needs_taking_back(tools: DeploymentTools) -> bool:
    """Whether the answers of a deployment of the last hours got worse than before it."""
    return _find_worse(tools) is not None


def watch(tools: DeploymentTools) -> PipelineResult:
    """Take back a deployment of the last hours whose answers got worse.

    It happens once: the journal's last line is a rollback then, and the model is blocked until
    somebody deploys it by name.
    """
    found = _find_worse(tools)
    if found is None:
        return PipelineResult(status=Status.SKIPPED, message="The last deployment does well")
    watched, worse = found
    choice = Choice(watched.model_id, Asked.WATCH)
    deployment = _Deployment(tools, tools.registry.read(), choice, watched.model_id)
    return deployment.take_back(watched, f"Worse than {watched.previous_model_id}: {worse}.")


def _find_worse(tools: DeploymentTools) -> tuple[DeploymentRecord, str] | None:
    watched = deployment_to_watch(tools.journal.read(), tools.now(), tools.watch_limits.window)
    if watched is None:
        return None
    live = tools.service.model_info()
    if live.model_id != watched.model_id or live.traffic is None:
        return None
    worse = what_got_worse(watched.traffic_before, live.traffic, tools.watch_limits)
    return None if worse is None else (watched, worse)


class _Deployment:
    """One deployment on its way through the states."""

    def __init__(
        self, tools: DeploymentTools, registry: Registry, choice: Choice, target: str
    ) -> None:
        self._tools = tools
        self._registry = registry
        self._choice = choice
        self._target = target
        self._id = uuid.uuid4().hex
        self._state: DeploymentState | None = None
        self._before: str | None = registry.deployed
        self._traffic_before: TrafficSeen | None = None

    # --- the steps ---------------------------------------------------------------------
    def carry_out(self) -> PipelineResult:
        try:
            artifact = self._load_artifact()
            products = self._known_products(artifact)
            live = self._ask_live_model()
        except ServiceOfflineError:
            return self._leave_pending()
        except VieComRecError as error:
            self._record(DeploymentState.FAILED, live=None, reason=str(error))
            raise
        if rules.is_settled(self._registry, live, self._target) and self._is_on_record(live):
            return self._skip(live)
        self._before = rules.way_back(self._registry, live.model_id, self._target)
        self._traffic_before = live.traffic if live.model_id == self._before else None
        self._record(DeploymentState.VERIFYING, live=live.model_id)
        self._desire(self._target)
        try:
            if live.model_id != self._target:
                self._reload(self._target)
            self._await_model(self._target)
            self._ask_golden_requests(artifact.factors.ids.user_ids, products)
        except VieComRecError as error:
            return self._return_to_previous(str(error))
        return self._confirm()

    def plan(self) -> PipelineResult:
        """Say what a run would do; changes no byte."""
        self._load_artifact()
        try:
            live: LiveModel | None = self._ask_live_model()
        except ServiceOfflineError:
            live = None
        if live is None:
            message = f"Would leave {self._target} pending: {PENDING_MESSAGE}"
        elif rules.is_settled(self._registry, live, self._target):
            message = f"{self._target} is deployed already; nothing would change"
        else:
            message = f"Would deploy {self._target} in place of {live.model_id}"
        return PipelineResult(
            status=Status.SUCCESS,
            message=message,
            dry_run=True,
            model_id=self._target,
            live_model_id=live.model_id if live else None,
            asked=self._choice.asked.value,
            note=self._choice.note,
        )

    def _load_artifact(self) -> ModelArtifact:
        return self._tools.models.load(self._registry.record(self._target))

    def _is_on_record(self, live: LiveModel) -> bool:
        """Whether the journal knows too; a run killed before its last line is proved again."""
        last = rules.live_at(self._tools.journal.read(), self._tools.now())
        return last is not None and last.live_model_id == live.model_id

    def _ask_live_model(self) -> LiveModel:
        live = self._tools.service.model_info()
        if live.installation_id != self._tools.installation_id:
            raise ServiceError(
                f"The service at {self._tools.service.url} belongs to installation "
                f"{live.installation_id}, this one is {self._tools.installation_id}. "
                "Point SERVICE_URL at this installation's service."
            )
        return live

    def _reload(self, model_id: str) -> None:
        try:
            self._tools.service.reload_model(model_id)
        except ServiceReplyLostError as error:
            # It may have happened: reading back decides, a second reload never does.
            log.warning("reply to the reload was lost", model_id=model_id, error=str(error))

    def _await_model(self, model_id: str) -> None:
        """Read back until every worker serves `model_id`; a bounded number of times."""
        found = "nothing"
        for attempt in range(self._tools.patience.attempts):
            if attempt:
                self._tools.sleep(self._tools.patience.wait_seconds)
            try:
                live = self._ask_live_model()
            except ServiceError as error:
                found = str(error)
                continue
            if live.model_id == model_id and live.workers_agree:
                return
            found = f"it serves {live.model_id}"
            found += "" if live.workers_agree else ", not every worker does"
            found += f"; behind: {', '.join(live.behind)}" if live.behind else ""
        raise ServiceError(f"The service does not serve {model_id} after the reload: {found}")

    def _known_products(self, artifact: ModelArtifact) -> frozenset[str]:
        """The model's products and those of the current data, which may be newer than it."""
        snapshot = self._tools.snapshots.current()
        newer = snapshot.id_map.product_ids if snapshot else ()
        return frozenset((*artifact.factors.ids.product_ids, *newer))

    def _ask_golden_requests(self, user_ids: Sequence[str], products: frozenset[str]) -> None:
        asked = (*rules.golden_users(user_ids), rules.UNKNOWN_USER)
        for number, user_id in enumerate(asked, start=1):
            is_known = user_id != rules.UNKNOWN_USER
            # Whoever has every product gets no new one, which is no fault of the model.
            answer = self._tools.service.recommend(
                user_id, self._tools.patience.topk, exclude_seen=False
            )
            problem = rules.golden_problem(answer, self._target, products, is_known=is_known)
            if problem:
                # No id of a customer: the message goes into journals and out to people.
                who = "a known user" if is_known else "an unknown user"
                raise ServiceError(f"Golden request {number} of {len(asked)} ({who}): {problem}")

    def take_back(self, watched: DeploymentRecord, reason: str) -> PipelineResult:
        """End a deployment that was thought to be done."""
        self._id, self._state = watched.deployment_id, watched.state
        self._before = watched.previous_model_id
        if self._before is None or self._before not in self._registry.models:
            return self._result(Status.FAILED, f"{reason} There is no model to return to.")
        self._desire(self._before)
        return self._roll_back(self._before, reason)

    # --- the ends ----------------------------------------------------------------------
    def _confirm(self) -> PipelineResult:
        self._tools.registry.update(lambda registry: registry.confirm(self._target))
        self._record(DeploymentState.DEPLOYED, live=self._target)
        return self._result(Status.SUCCESS, f"Deployed {self._target}")

    def _skip(self, live: LiveModel) -> PipelineResult:
        message = self._choice.note or f"{live.model_id} is deployed already"
        return self._result(Status.SKIPPED, message)

    def _leave_pending(self) -> PipelineResult:
        self._desire(self._target)
        self._record(DeploymentState.PENDING, live=None, reason=PENDING_MESSAGE)
        return self._result(Status.PENDING, PENDING_MESSAGE)

    def _return_to_previous(self, reason: str) -> PipelineResult:
        """Bring the service back to what it served before, and say truly whether that worked."""
        self._desire(self._before)
        live = self._live_model_id()
        if live == self._target and self._before is not None:
            return self._roll_back(self._before, reason)
        self._record(DeploymentState.FAILED, live=live, reason=reason)
        return self._result(Status.FAILED, f"{reason} {self._serving(live)}")

    def _roll_back(self, before: str, reason: str) -> PipelineResult:
        try:
            self._reload(before)
            self._await_model(before)
        except ServiceError as error:
            live = self._live_model_id()
            failure = f"{reason} The way back to {before} failed too: {error}"
            self._record(DeploymentState.FAILED, live=live, reason=failure)
            return self._result(Status.FAILED, f"{failure} {self._serving(live)}")
        self._tools.registry.update(lambda registry: registry.confirm(before))
        self._record(DeploymentState.ROLLED_BACK, live=before, reason=reason)
        return self._result(Status.ROLLED_BACK, f"{reason} The service is back on {before}.")

    def _live_model_id(self) -> str | None:
        try:
            return self._ask_live_model().model_id
        except ServiceError:
            return None

    @staticmethod
    def _serving(live: str | None) -> str:
        return f"The service serves {live}." if live else "What the service serves is not known."

    # --- records -----------------------------------------------------------------------
    def _desire(self, model_id: str | None) -> None:
        self._tools.registry.update(lambda registry: rules.with_desired(registry, model_id))

    def _record(
        self, state: DeploymentState, *, live: str | None, reason: str | None = None
    ) -> None:
        rules.require_transition(self._state, state)
        self._state = state
        at = self._tools.now()
        self._tools.journal.append(
            DeploymentRecord(
                deployment_id=self._id,
                timestamp=at.astimezone(self._tools.zone).replace(tzinfo=None).isoformat(),
                timestamp_utc=at.astimezone(UTC),
                state=state,
                model_id=self._target,
                previous_model_id=self._before,
                live_model_id=live,
                asked=self._choice.asked,
                passed_over=rules.passed_over(self._registry, self._choice),
                traffic_before=self._traffic_before,
                reason=reason,
            )
        )
        log.info("deployment", state=state.value, model_id=self._target, live_model_id=live)

    def _result(self, status: Status, message: str) -> PipelineResult:
        return PipelineResult(
            status=status,
            message=message,
            model_id=self._target,
            previous_model_id=self._before,
            deployment_id=self._id,
            asked=self._choice.asked.value,
        )

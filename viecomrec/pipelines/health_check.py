"""Look at the service, the data, the models and the pipelines, and say what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.ledger import Ledger
from viecomrec.adapters.registry import ModelStore, RegistryStore
from viecomrec.adapters.service_client import ServiceClient
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain import health_rules as rules
from viecomrec.domain.alerts import INCIDENT_DETAIL
from viecomrec.domain.deployment import UNKNOWN_USER
from viecomrec.domain.health import (
    DEPLOY,
    EMBED,
    REFRESH,
    SERVE,
    TRAIN,
    Check,
    ComponentHealth,
    HealthReport,
    Level,
    Say,
    critical,
    healthy,
    type_in,
)
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ServiceOfflineError, VieComRecError
from viecomrec.pipelines.alerting import Alerting
from viecomrec.pipelines.health_surroundings import Surroundings

PIPELINE = "health_check"
COMPONENTS = ("service", "data", "models", "pipelines")


@dataclass(frozen=True)
class HealthTools:
    """What a health check reads; it changes nothing but the record of dead runs."""

    service: ServiceClient
    snapshots: SnapshotStore
    embeddings: EmbeddingStore
    registry: RegistryStore
    models: ModelStore
    ledger: Ledger
    alerts: Alerting
    installation_id: str | None
    now: Callable[[], datetime]
    zone: tzinfo
    fresh_days: float
    embeddings_fresh_days: float
    window_days: int
    min_success_rate: float
    surroundings: Surroundings
    closes_dead_runs: bool = True


def run(components: Sequence[str], tools: HealthTools, *, alert: bool) -> PipelineResult:
    """Check the named components; the report's keys stand in the result beside its status."""
    at = tools.now()
    report = HealthReport(
        timestamp=at.astimezone(tools.zone).replace(tzinfo=None).isoformat(timespec="seconds"),
        timestamp_utc=at.astimezone(UTC).isoformat(timespec="seconds"),
        components={name: ComponentHealth(checks=_checks(name, tools)) for name in components},
    )
    if alert:
        _tell(report, tools.alerts)
    return PipelineResult(status=Status(report.overall_status.value), **report.as_json())


def _checks(component: str, tools: HealthTools) -> tuple[Check, ...]:
    look = {
        "service": _look_at_service,
        "data": _look_at_data,
        "models": _look_at_models,
        "pipelines": _look_at_pipelines,
    }[component]
    return tuple(look(tools))


READ_THE_LOG = Say(
    f"Read the service's log, then start it again: {SERVE}",
    f"Xem nhật ký của dịch vụ rồi khởi động lại: {SERVE}",
)


def _ask(
    name: str, looked_at: str, action: Say, look: Callable[[], Sequence[Check]]
) -> list[Check]:
    """What a look finds; an error of ours is itself a finding, and a critical one."""
    try:
        return list(look())
    except VieComRecError as error:
        found = Say(str(error), f"không dùng được: {looked_at}")
        return [critical(name, looked_at, found, action)]


# --- service -----------------------------------------------------------------------------
def _look_at_service(tools: HealthTools) -> list[Check]:
    url = tools.service.url
    try:
        tools.service.health()
    except ServiceOfflineError as error:
        found = Say(str(error), f"không có dịch vụ nào trả lời tại {url}")
        action = Say(f"Start it: {SERVE}", f"Khởi động: {SERVE}")
        return [critical("api", f"{url}/health", found, action)]
    except VieComRecError as error:
        found = Say(str(error), f"dịch vụ tại {url} trả lời không đúng")
        return [critical("api", f"{url}/health", found, READ_THE_LOG)]
    answering = Say("the service answers", "dịch vụ có trả lời")
    reachable = healthy("api", f"{url}/health", answering)
    return [reachable, *_look_at_loaded_model(tools)]


def _look_at_loaded_model(tools: HealthTools) -> list[Check]:
    url = tools.service.url

    def look() -> list[Check]:
        live = tools.service.model_info()
        loaded = rules.check_loaded_model(url, live, tools.installation_id)
        if loaded.status is Level.CRITICAL:
            return [loaded]
        registry = tools.registry.read()
        answer = tools.service.recommend(UNKNOWN_USER, 5)
        return [
            loaded,
            rules.check_answer(url, answer),
            rules.check_served_model(live.model_id, registry.deployed, registry.desired),
        ]

    return _ask("model_loaded", f"{url}/model_info", READ_THE_LOG, look)


# --- data --------------------------------------------------------------------------------
def _look_at_data(tools: HealthTools) -> list[Check]:
    rebuild = type_in(f"{REFRESH} --force-full")
    snapshot = _ask("files", "data/snapshots", rebuild, lambda: _look_at_snapshot(tools))
    embeddings = _ask(
        "embeddings",
        "artifacts/embeddings",
        type_in(f"{EMBED} --force"),
        lambda: [_look_at_embeddings(tools)],
    )
    around = tools.surroundings
    return [*snapshot, *embeddings, around.check_backlog(), around.check_disk()]


def _look_at_snapshot(tools: HealthTools) -> list[Check]:
    snapshot = tools.snapshots.current()
    if snapshot is None:
        found = Say("no data snapshot yet", "chưa có dữ liệu đã xử lý")
        return [critical("files", "data/snapshots", found, type_in(REFRESH))]
    snapshot.verify()
    n_files = len(snapshot.manifest.files)
    found = Say(
        f"snapshot {snapshot.version} is complete and unaltered ({n_files} files)",
        f"dữ liệu {snapshot.version} đầy đủ và nguyên vẹn ({n_files} tệp)",
    )
    return [
        healthy("files", "data/snapshots", found),
        rules.check_freshness(
            datetime.fromisoformat(snapshot.manifest.created_at_utc),
            tools.ledger.last_completed_at("data_refresh"),
            tools.now(),
            tools.fresh_days,
        ),
        rules.check_comment_scorer(snapshot.statistics.get("comment_scorer")),
    ]


def _look_at_embeddings(tools: HealthTools) -> Check:
    current = tools.embeddings.current()
    now, limit = tools.now(), tools.embeddings_fresh_days
    if current is None:
        return rules.check_embeddings(None, None, None, now, limit)
    created_at = datetime.fromisoformat(current.created_at_utc)
    reason = (current.manifest.degraded_reason or "unknown") if current.degraded else None
    return rules.check_embeddings(current.model, created_at, reason, now, limit)


# --- models ------------------------------------------------------------------------------
def _look_at_models(tools: HealthTools) -> list[Check]:
    action = Say(
        "Restore registry.json from a backup, or move it away and train again",
        "Khôi phục registry.json từ bản sao lưu, hoặc chuyển nó đi rồi huấn luyện lại",
    )
    registry = _ask(
        "registry", "artifacts/cf/registry.json", action, lambda: _look_at_registry(tools)
    )
    return [*registry, *tools.surroundings.check_artifact_store()]


def _look_at_registry(tools: HealthTools) -> list[Check]:
    registry = tools.registry.read()
    n_models = len(registry.models)
    checks = [
        healthy(
            "registry",
            "artifacts/cf/registry.json",
            Say(f"valid, {n_models} models", f"hợp lệ, {n_models} mô hình"),
        ),
        rules.check_current_best(registry.current_best, n_models),
    ]
    needed = dict.fromkeys(
        model_id
        for model_id in (registry.deployed, registry.desired, registry.current_best)
        if model_id is not None
    )
    for model_id in needed:
        checks += _look_at_model(tools, model_id)
    checks.append(tools.surroundings.check_pending_deployment())
    if registry.current_best is not None:
        checks.append(rules.check_performance(registry.record(registry.current_best)))
    return checks


def _look_at_model(tools: HealthTools, model_id: str) -> list[Check]:
    name, looked_at = f"artifact:{model_id}", f"files, hashes and numbers of {model_id}"

    def look() -> list[Check]:
        artifact = tools.models.load(tools.registry.read().record(model_id))
        ids = artifact.factors.ids
        found = Say(
            f"unaltered, {ids.n_users} users, {ids.n_items} products",
            f"nguyên vẹn, {ids.n_users} khách hàng, {ids.n_items} sản phẩm",
        )
        return [healthy(name, looked_at, found)]

    action = Say(
        f"Return to a sound model ({DEPLOY} --rollback) or train again ({TRAIN})",
        f"Quay lại một mô hình tốt ({DEPLOY} --rollback) hoặc huấn luyện lại ({TRAIN})",
    )
    return _ask(name, looked_at, action, look)


# --- pipelines ---------------------------------------------------------------------------
def _look_at_pipelines(tools: HealthTools) -> list[Check]:
    action = Say(
        "Move logs/pipeline_metrics.db away; it is made again at the next run",
        "Chuyển logs/pipeline_metrics.db đi; lần chạy sau sẽ tạo lại",
    )
    database = tools.surroundings.check_database()
    if any(check.status is Level.CRITICAL for check in database):
        return database
    place = database[0].looked_at if database else "logs/pipeline_metrics.db"
    return [*database, *_ask("ledger", place, action, lambda: _look_at_runs(tools))]


def _look_at_runs(tools: HealthTools) -> list[Check]:
    dead = [rules.check_dead_runs(tools.ledger.close_dead_runs())] if tools.closes_dead_runs else []
    statistics = tools.ledger.get_stats(days=tools.window_days)["stats_by_pipeline"]
    rates = [
        rules.check_success_rate(pipeline, counts, tools.window_days, tools.min_success_rate)
        for pipeline, counts in statistics.items()
    ]
    around = tools.surroundings
    return [*dead, *rates, around.check_scheduler(), around.check_clock()]


# --- alert -------------------------------------------------------------------------------
def _tell(report: HealthReport, alerts: Alerting) -> None:
    """One incident per check: opened by trouble, ended when the check is well again."""
    for component, check in report.troubles():
        severity = "error" if check.status is Level.CRITICAL else "warning"
        details = {
            INCIDENT_DETAIL: f"{component}/{check.name}",
            "action": check.action,
            "found_vi": check.found_vi,
            "action_vi": check.action_vi,
        }
        alerts.send(PIPELINE, severity, check.found, details)
    for part in alerts.open_parts(PIPELINE):
        if _is_well(report, part):
            alerts.resolve(PIPELINE, part)


def _is_well(report: HealthReport, part: str) -> bool:
    """Whether a check is well now; one that was left out is, once its whole component is."""
    component, _, name = part.partition("/")
    health = report.components.get(component)
    if health is None:
        return False
    found = [check.status for check in health.checks if check.name == name]
    return (found[0] if found else health.status) is Level.HEALTHY

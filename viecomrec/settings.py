"""Every tunable number and every environment variable, read here and nowhere else.

Order of precedence: environment variable, `config/settings.json` of the project, the default
below. `VIECOMREC_REFRESH__INCREMENTAL_LIMIT=50` and `{"refresh": {"incremental_limit": 50}}`
set the same number. Unknown names in the file are refused, so that a typing error is seen.
"""

import json
import os
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from viecomrec.errors import ConfigurationError
from viecomrec.paths import ProjectPaths, find_project_dir

SHIPPED_SCHEDULER_CONFIG = Path(__file__).resolve().parent / "defaults" / "scheduler_config.json"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class PingSettings(Section):
    """Dead-man switch: who notices from outside when nothing happens any more."""

    urls: dict[str, SecretStr] = {}
    """By pipeline (or `scheduler`), a healthchecks-compatible address; `*` is for all others,
    and `{pipeline}` in an address stands for the name."""

    timeout_seconds: float = Field(5, gt=0)


class RefreshSettings(Section):
    incremental_limit: int = 100
    """Fewer new events than this take the incremental path (the guide's section 1)."""

    max_bad_share: float = Field(0.20, ge=0, le=1)
    """A raw file with a larger share of bad rows stops the refresh."""

    rows_in_memory: int = Field(100_000, ge=1)
    """A full refresh keeps about this many rows in memory, about 200 bytes each, others on disk."""

    min_distinct_products: int = 2
    """A trainable user has at least this many distinct products, one of them positive."""

    positive_rating: float = 4
    """A rating at or above this is positive; so is a purchase."""

    unrated_base: float = 3.0
    unrated_quality: float = 0.5
    """An unrated event has confidence (base + quality) x the weight of its kind."""

    kind_weights: dict[str, float] = {"review": 1.0, "purchase": 1.0, "cart": 0.5, "view": 0.2}

    validation_percent: int = Field(30, ge=1, le=99)
    """Held-out users whose hash falls below this are validation, the others test."""


class SparkSettings(Section):
    """Where `--engine spark` runs; the shop's folder must be visible to its workers."""

    master: str = Field(
        "local[*]", pattern=r"^(local(\[[\d*,]+\])?|local-cluster\[.+\]|spark://.+|yarn|k8s://.+)$"
    )
    driver_memory: str = Field("4g", pattern=r"^\d+[mgt]$")
    settings: dict[str, str] = {}
    """Further settings of Spark, such as {"spark.executor.instances": "4"}."""


class AlsSettings(Section):
    """The guide's keys and values."""

    factors: int = Field(64, ge=1)
    regularization: float = Field(0.1, ge=0)
    iterations: int = Field(15, ge=1)
    alpha: float = Field(5, gt=0)
    use_gpu: bool = False
    use_bert_init: bool = True
    bert_init_cold_threshold: int = Field(5, ge=0)


class BprSettings(Section):
    """The guide's keys and values."""

    factors: int = Field(64, ge=1)
    learning_rate: float = Field(0.05, gt=0)
    regularization: float = Field(0.0001, ge=0)
    epochs: int = Field(50, ge=1)
    neg_sample_ratio: float = Field(0.3, ge=0, le=1)


class EarlyStoppingSettings(Section):
    """The guide's keys and values."""

    enabled: bool = True
    patience: int = Field(5, ge=1)
    min_delta: float = Field(0.001, ge=0)


class TrainingSettings(Section):
    als: AlsSettings = AlsSettings()
    bpr: BprSettings = BprSettings()
    early_stopping: EarlyStoppingSettings = EarlyStoppingSettings()
    seed: int = 42
    threads: int = Field(0, ge=0)
    """Threads of the solvers; 0 means one for each core."""


class EmbeddingSettings(Section):
    dimensions: int = 768
    fresh_days: int = 7
    encoder: Literal["auto", "phobert", "tfidf"] = "auto"
    """auto: PhoBERT where its weights are, else TF-IDF with a word about it."""

    revision: str = "01daacda68afe13d83023d16ec647239e344a1e6"
    """The commit of vinai/phobert-base that is fetched and accepted."""

    pooling: Literal["cls", "mean"] = "cls"
    postprocess: Literal["none", "centre", "whiten"] = "none"
    numeric_format: Literal["auto", "float32"] = "auto"
    """auto: 8 bits where they were measured to agree with full precision on the shop's texts."""


class CommentSettings(Section):
    scorer: Literal["auto", "visobert", "self-trained"] = "auto"
    """auto: the sentiment model where its weights are, else the scorer trained on the shop."""

    revision: str = "main"
    """Commit or branch of the sentiment model; a branch is pinned to its commit by the first fetch
    (`models/revisions.json`), and the output names the commit."""

    numeric_format: Literal["auto", "float32"] = "auto"


class LanguageModelSettings(Section):
    folder: str | None = None
    """Where the weights lie, absolute or from the project's root; default: models/."""

    use_hub_cache: bool = True
    """Whether weights in this machine's usual cache of the hub count too."""

    hub: str | None = None
    """Address that `viecomrec models fetch` asks; default: the public hub (or HF_ENDPOINT)."""


class ServiceSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    timeout_seconds: float = 10.0
    workers: int = Field(1, ge=1, le=64)
    max_body_bytes: int = Field(2_000_000, ge=1_000)
    body_seconds: float = Field(15.0, gt=0)
    """A client that takes longer to send a request is sent away."""

    requests_per_second: int = Field(100, ge=1)
    burst: int = Field(200, ge=1)
    """A token bucket per client address; callers with the admin token have no limit. Divided by the
    number of workers, whose buckets are their own."""

    cors_origins: tuple[str, ...] = ()
    """Web pages of these origins may call the service from a browser; none by default."""

    popularity_days: int = Field(28, ge=1)
    """Popular means chosen by many people in this many days before the newest event."""


class CleanupSettings(Section):
    """The guide's retention, and what a shop wants kept beyond it."""

    log_days: float = Field(30, gt=0)
    checkpoints: int = Field(3, ge=0)
    models: int = Field(5, ge=0)
    versions: int = Field(3, ge=1)
    """Snapshots and embeddings kept beside those that are referenced."""

    quarantine_days: float = Field(30, gt=0)
    forgotten_days: float = Field(30, gt=0)
    """Age at which a model folder that no registry lists is deleted."""


class DeploymentSettings(Section):
    read_back_attempts: int = Field(10, ge=1)
    """How often /model_info is asked whether a reload has happened."""

    read_back_wait_seconds: float = Field(1.0, ge=0)

    golden_topk: int = Field(10, ge=1)

    watch_hours: float = Field(3, ge=0)
    """How long after a deployment its answers are compared with those before; 0 never."""

    watch_min_requests: int = Field(100, ge=1)


class AlertSettings(Section):
    """How patiently messages are delivered; channels stand in `config/alerting.json`."""

    delivery_timeout_seconds: float = Field(10, gt=0)
    first_wait_seconds: float = Field(60, gt=0)
    longest_wait_seconds: float = Field(1800, gt=0)
    max_seconds: float = Field(20, gt=0)
    """How long one run may spend on deliveries."""


class DriftSettings(Section):
    """The guide's thresholds, and what rules chance out."""

    rating_difference: float = 0.1
    min_jaccard: float = 0.8
    rate_change: float = 0.3
    top_items: int = Field(20, ge=1)
    alpha: float = Field(0.002, gt=0, lt=1)
    """Chance of one measure to be called drift while nothing changed."""

    n_resamples: int = Field(999, ge=99)
    baseline_weeks: int = Field(8, ge=1)
    seed: int = 42
    start_training: bool = False
    """Whether detected drift starts a training by itself."""

    training_cooldown_days: float = 7

    @model_validator(mode="after")
    def _chance_can_be_ruled_out(self) -> "DriftSettings":
        if (self.n_resamples + 1) * self.alpha < 1:
            raise ValueError("n_resamples is too small for alpha: no drift could ever be found")
        return self


class HealthSettings(Section):
    fresh_days: int = 7
    min_success_rate: float = 0.5
    window_days: int = 7


class SchedulerSettings(Section):
    log_limit_mib: float = Field(16, gt=0)
    """A job's log is cut at this size; its end is always kept."""

    grace_seconds: float = Field(10, ge=0)
    """Between TERM and KILL of a job's process tree."""

    drain_seconds: float = Field(30, ge=0)
    """How long a stopping scheduler waits for running jobs before it ends them."""


class DatabaseSettings(Section):
    """How hosts that share a PostgreSQL database (`DATABASE_URL`) wait for it and each other."""

    lease_seconds: float = Field(15, ge=1)
    """A holder that was not heard of for this long may be replaced by another host."""

    patience_seconds: float = Field(180, ge=0)
    """How long a run waits for a database that went away while it worked."""


class ArtifactStoreSettings(Section):
    """How patiently the object store of `ARTIFACT_URL` is asked."""

    timeout_seconds: float = Field(30, gt=0)
    """For one request; a large file is sent in parts of 5 MB."""

    retry_seconds: float = Field(60, ge=0)
    """How long a request that failed is tried again."""

    look_seconds: float = Field(10, gt=0)
    """How often a service looks for what other hosts have published."""


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="VIECOMREC_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    service_url: str = Field(
        "http://localhost:8000", validation_alias=AliasChoices("SERVICE_URL", "service_url")
    )
    tz: str | None = Field(None, validation_alias=AliasChoices("TZ", "tz"))
    """The zone of the scheduler; it wins over the scheduler's file, the file over UTC."""

    notify_socket: str | None = Field(
        None, validation_alias=AliasChoices("NOTIFY_SOCKET", "notify_socket")
    )
    """Where systemd listens for "ready" and "alive"; set by systemd itself."""

    database_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )
    """The PostgreSQL database of runs, leases and staged events; without it they are files."""

    host_id: str | None = None
    """The name of this host among those that share the database; default: its own."""

    replica_url: str | None = None
    """How this host's service is reached, for people who read which replica stays behind."""

    nominal_utc: str | None = None
    """Set by the scheduler for its jobs: the nominal time that they run for."""

    admin_token: str | None = None
    """`VIECOMREC_ADMIN_TOKEN`; without it the token file of the installation counts."""

    service_run: str | None = None
    """Set by `serve` for its worker processes: the name of the running service."""

    artifact_url: str | None = Field(
        None, validation_alias=AliasChoices("ARTIFACT_URL", "artifact_url")
    )
    """`s3://bucket/prefix`: where several hosts share snapshots, embeddings, models and registry;
    without it they lie in the project's folder alone."""

    artifact_store: ArtifactStoreSettings = ArtifactStoreSettings()
    refresh: RefreshSettings = RefreshSettings()
    spark: SparkSettings = SparkSettings()
    training: TrainingSettings = TrainingSettings()
    embeddings: EmbeddingSettings = EmbeddingSettings()
    comments: CommentSettings = CommentSettings()
    language_models: LanguageModelSettings = LanguageModelSettings()
    service: ServiceSettings = ServiceSettings()
    alert_urls: SecretStr | None = Field(
        None, validation_alias=AliasChoices("ALERT_URLS", "alert_urls")
    )
    """More alert channels, as addresses that apprise understands."""

    alerts: AlertSettings = AlertSettings()
    ping: PingSettings = PingSettings()
    cleanup: CleanupSettings = CleanupSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    drift: DriftSettings = DriftSettings()
    health: HealthSettings = HealthSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    database: DatabaseSettings = DatabaseSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the project's file, which arrives as init arguments."""
        return env_settings, init_settings

    def zone(self, configured: str | None = None) -> ZoneInfo:
        """The zone in force: `TZ`, else `configured`, else UTC. A wrong name stops the start."""
        # POSIX writes TZ=:Asia/Ho_Chi_Minh for "a file of the zone database".
        name = (self.tz or configured or "UTC").removeprefix(":")
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(
                f"The time zone {name!r} does not exist. Use a name such as Asia/Ho_Chi_Minh."
            ) from error


TRAINING_CONFIG: dict[str, dict[str, Any]] = TrainingSettings().model_dump(
    include={"als", "bpr", "early_stopping"}
)
"""The guide's configuration: its keys, its values."""


def load_settings(paths: ProjectPaths) -> Settings:
    """Read the settings of the project, or say which name is wrong and what is allowed."""
    try:
        return Settings(**_settings_file_content(paths.settings_file))
    except ValidationError as error:
        raise ConfigurationError(_readable(error, paths.settings_file)) from error


def find_paths(start: Path | None = None) -> ProjectPaths:
    """Locate the project from `PROJECT_DIR` or from `start` (default: the current folder)."""
    return ProjectPaths(find_project_dir(start or Path.cwd(), os.environ.get("PROJECT_DIR")))


def scheduler_zone_name(file: Path) -> str | None:
    """The zone that the scheduler's file names, or the shipped one where there is no file.

    The scheduler itself judges the whole file.
    """
    existing = file if file.is_file() else SHIPPED_SCHEDULER_CONFIG
    zone = _settings_file_content(existing).get("timezone")
    return zone if isinstance(zone, str) else None


def _settings_file_content(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} must hold one JSON object.")
    return content


def _readable(error: ValidationError, file: Path) -> str:
    """Names and what is allowed; never the value, which may be a token or a password."""
    lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return f"Settings (environment or {file}): " + "; ".join(lines)

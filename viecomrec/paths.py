"""Every file name under data/, artifacts/, logs/, reports/ and config/; nobody else joins paths."""

from dataclasses import dataclass
from pathlib import Path

from viecomrec.errors import ConfigurationError


def find_project_dir(start: Path, configured: str | None) -> Path:
    """Return `configured`, else the nearest folder at or above `start` that looks like a project.

    A project has `config/` or `data/published_data/`. An installed package is never one, so
    that a command typed in the wrong folder does not write beside the library.
    """
    if configured:
        folder = Path(configured).expanduser().resolve()
        if not folder.is_dir():
            raise ConfigurationError(
                f"PROJECT_DIR is set to {configured}, which is not a folder. "
                "Create it or point PROJECT_DIR at your shop's folder."
            )
        return folder
    for folder in (start.resolve(), *start.resolve().parents):
        if "site-packages" in folder.parts:
            continue
        if (folder / "config").is_dir() or (folder / "data" / "published_data").is_dir():
            return folder
    raise ConfigurationError(
        f"No VieComRec project at or above {start}: a project has a folder config/ or "
        "data/published_data/. Change into your shop's folder or set PROJECT_DIR."
    )


@dataclass(frozen=True)
class ProjectPaths:
    """The places of one installation; all of them lie under `root`."""

    root: Path

    # --- input -------------------------------------------------------------------------
    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.json"

    @property
    def data_source_file(self) -> Path:
        return self.config / "data_source.json"

    @property
    def scheduler_config_file(self) -> Path:
        return self.config / "scheduler_config.json"

    @property
    def ranking_file(self) -> Path:
        return self.config / "ranking.json"

    @property
    def alerting_file(self) -> Path:
        return self.config / "alerting.json"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def published_data(self) -> Path:
        return self.data / "published_data"

    # --- data --------------------------------------------------------------------------
    @property
    def staging(self) -> Path:
        return self.data / "staging"

    @property
    def merged_events(self) -> Path:
        return self.data / "merged_events"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine"

    @property
    def snapshots(self) -> Path:
        return self.data / "snapshots"

    @property
    def snapshot_pointer(self) -> Path:
        return self.snapshots / "current.json"

    @property
    def processed(self) -> Path:
        return self.data / "processed"

    @property
    def cache(self) -> Path:
        return self.data / "cache"

    @property
    def engine_scratch(self) -> Path:
        """What the processes of a compute engine share while they work."""
        return self.cache / "engine"

    @property
    def text_vectors(self) -> Path:
        return self.cache / "text_vectors"

    @property
    def comment_scores(self) -> Path:
        return self.cache / "comment_scores"

    @property
    def file_hashes(self) -> Path:
        return self.cache / "file_hashes.json"

    @property
    def erased_users_file(self) -> Path:
        return self.data / "erased_users.json"

    @property
    def content_embeddings(self) -> Path:
        return self.processed / "content_based_embeddings"

    @property
    def product_embeddings_file(self) -> Path:
        return self.content_embeddings / "product_embeddings.pt"

    @property
    def language_models(self) -> Path:
        return self.root / "models"

    # --- artifacts ---------------------------------------------------------------------
    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def models(self) -> Path:
        return self.artifacts / "cf"

    @property
    def registry_file(self) -> Path:
        return self.models / "registry.json"

    @property
    def checkpoints(self) -> Path:
        return self.artifacts / "checkpoints"

    @property
    def embeddings(self) -> Path:
        return self.artifacts / "embeddings"

    @property
    def embeddings_pointer(self) -> Path:
        return self.embeddings / "current.json"

    @property
    def numeric_formats_file(self) -> Path:
        return self.artifacts / "numeric_formats.json"

    @property
    def scorers(self) -> Path:
        return self.artifacts / "scorers"

    @property
    def scorer_pointer(self) -> Path:
        return self.scorers / "current.json"

    @property
    def drift_baseline_file(self) -> Path:
        return self.artifacts / "drift" / "baseline.json"

    @property
    def artifact_store_notes(self) -> Path:
        """What is known of the objects of ARTIFACT_URL that lie here too."""
        return self.artifacts / "store"

    @property
    def installation_file(self) -> Path:
        return self.artifacts / "installation.json"

    @property
    def admin_token_file(self) -> Path:
        return self.artifacts / "admin_token"

    @property
    def service_workers(self) -> Path:
        """Where the worker processes of running services agree; one folder per service."""
        return self.artifacts / "service"

    # --- logs and reports --------------------------------------------------------------
    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def ledger_file(self) -> Path:
        return self.logs / "pipeline_metrics.db"

    @property
    def locks(self) -> Path:
        return self.logs / "locks"

    @property
    def alerts_file(self) -> Path:
        return self.logs / "alerts.jsonl"

    @property
    def alert_store_file(self) -> Path:
        return self.logs / "alerts.db"

    @property
    def deployment_journal_file(self) -> Path:
        return self.logs / "deployment_history.jsonl"

    @property
    def scheduler_logs(self) -> Path:
        return self.logs / "scheduler"

    @property
    def scheduler_log_file(self) -> Path:
        return self.scheduler_logs / "scheduler.log"

    @property
    def scheduler_runs(self) -> Path:
        return self.scheduler_logs / ".runs"

    @property
    def scheduler_stop_file(self) -> Path:
        return self.scheduler_logs / ".stop"

    @property
    def task_status_file(self) -> Path:
        return self.scheduler_logs / "task_status.json"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def drift_reports(self) -> Path:
        return self.reports / "drift"

    # --- the demo ----------------------------------------------------------------------
    @property
    def demo_shop_marker(self) -> Path:
        """Says that the demo wrote this shop, and which; a real shop has none."""
        return self.root / "demo_shop.json"

    @property
    def demo_logs(self) -> Path:
        return self.logs / "demo"

    @property
    def demo_service_log_file(self) -> Path:
        return self.demo_logs / "service.log"

    def relative(self, path: Path) -> str:
        """Name `path` as a person sees it: from the project root, with forward slashes."""
        return path.resolve().relative_to(self.root.resolve()).as_posix()

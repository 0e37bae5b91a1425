"""What deployment and the watchmen need: health, drift, cleanup, backup, doctor."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from viecomrec.bootstrap.scheduling import Scheduling

if TYPE_CHECKING:
    from viecomrec.pipelines.backup import BackupTools
    from viecomrec.pipelines.cleanup import CleanupTools
    from viecomrec.pipelines.demo import DemoTools, Screen
    from viecomrec.pipelines.doctor import DoctorTools
    from viecomrec.pipelines.drift_detection import DriftTools
    from viecomrec.pipelines.health_check import HealthTools
    from viecomrec.pipelines.model_deployment import DeploymentTools


@dataclass(frozen=True)
class Operations(Scheduling):
    """What deployment and the watchmen need: health, drift, cleanup, backup, doctor."""

    def deployment_tools(self) -> "DeploymentTools":
        import time

        from viecomrec.domain.deployment_watch import WatchLimits
        from viecomrec.pipelines.model_deployment import DeploymentTools, Patience

        numbers = self.settings.deployment
        return DeploymentTools(
            registry=self.registry,
            models=self.models,
            snapshots=self.snapshots,
            service=self.service,
            journal=self.deployment_journal,
            installation_id=self.installation_id.read(),
            now=self.now,
            zone=self.zone,
            sleep=time.sleep,
            patience=Patience(
                attempts=numbers.read_back_attempts,
                wait_seconds=numbers.read_back_wait_seconds,
                topk=numbers.golden_topk,
            ),
            watch_limits=WatchLimits(
                window=timedelta(hours=numbers.watch_hours),
                min_requests=numbers.watch_min_requests,
            ),
        )

    def health_tools(self, *, closes_dead_runs: bool = True) -> "HealthTools":
        from viecomrec.pipelines.health_check import HealthTools
        from viecomrec.pipelines.health_surroundings import Surroundings

        return HealthTools(
            service=self.service,
            snapshots=self.snapshots,
            embeddings=self.embeddings,
            registry=self.registry,
            models=self.models,
            ledger=self.ledger,
            alerts=self.alerts,
            installation_id=self.installation_id.read(),
            now=self.now,
            zone=self.zone,
            fresh_days=self.settings.health.fresh_days,
            embeddings_fresh_days=self.settings.embeddings.fresh_days,
            window_days=self.settings.health.window_days,
            min_success_rate=self.settings.health.min_success_rate,
            surroundings=Surroundings(
                root=self.paths.root,
                locks=self.paths.locks,
                task_status_file=self.paths.task_status_file,
                staging=self.staging,
                journal=self.deployment_journal,
                ledger=self.ledger,
                artifacts=self.artifacts,
                leases=self.leases,
                now=self.now,
            ),
            closes_dead_runs=closes_dead_runs,
        )

    def drift_tools(self) -> "DriftTools":
        from viecomrec.adapters.drift_files import BaselineStore, ReportFolder
        from viecomrec.domain.drift import DriftLimits
        from viecomrec.pipelines.drift_detection import DriftTools

        numbers = self.settings.drift
        return DriftTools(
            snapshots=self.snapshots,
            baseline=BaselineStore(self.paths.drift_baseline_file),
            reports=ReportFolder(self.paths.drift_reports),
            alerts=self.alerts,
            start_training=self._train_in_a_process if numbers.start_training else None,
            last_training_at=lambda: self.ledger.last_completed_at("model_training"),
            training_cooldown_days=numbers.training_cooldown_days,
            name_file=self.paths.relative,
            now=self.now,
            zone=self.zone,
            limits=DriftLimits(
                rating_difference=numbers.rating_difference,
                min_jaccard=numbers.min_jaccard,
                rate_change=numbers.rate_change,
                top_items=numbers.top_items,
                alpha=numbers.alpha,
                n_resamples=numbers.n_resamples,
            ),
            baseline_weeks=numbers.baseline_weeks,
            seed=numbers.seed,
        )

    def _train_in_a_process(self) -> dict[str, Any]:
        return self._run_door("model_training", ["--auto-select"])

    def _run_door(self, door: str, arguments: list[str]) -> dict[str, Any]:
        from viecomrec.adapters.door_process import DoorProcesses

        return DoorProcesses(self.paths.root, self.paths.scheduler_logs).run(door, arguments).result

    def cleanup_tools(self) -> "CleanupTools":
        from viecomrec.adapters.deletion import DeletionTree
        from viecomrec.adapters.shared_tree import SharedTree
        from viecomrec.pipelines.cleanup import CleanupTools, Retention

        paths, numbers = self.paths, self.settings.cleanup
        return CleanupTools(
            logs=DeletionTree(paths.scheduler_logs),
            checkpoints=DeletionTree(paths.checkpoints),
            models=SharedTree(paths.models, self.kept_models()),
            models_root=paths.models,
            snapshots=SharedTree(paths.snapshots, {".": self.kept_snapshots().folders}),
            embeddings=SharedTree(paths.embeddings, {".": self.kept_embeddings().folders}),
            quarantine=DeletionTree(paths.quarantine),
            registry=self.registry,
            snapshot_store=self.snapshots,
            embedding_store=self.embeddings,
            service=self.service,
            locks=paths.locks,
            now=self.now,
            retention=Retention(
                log_days=numbers.log_days,
                checkpoints=numbers.checkpoints,
                models=numbers.models,
                versions=numbers.versions,
                quarantine_days=numbers.quarantine_days,
                forgotten_days=numbers.forgotten_days,
            ),
        )

    def backup_tools(self) -> "BackupTools":
        from viecomrec.pipelines import erasures_after_restore
        from viecomrec.pipelines.backup import BackupTools

        return BackupTools(
            paths=self.paths,
            artifact_url=self.artifacts.url,
            database=None if self.postgres is None else self.postgres.shown,
            bring_all=self.bring_all,
            registry=self.registry,
            snapshots=self.snapshots,
            embeddings=self.embeddings,
            service=self.service,
            installation_id=self.installation_id.read(),
            cleanup_lock=self.lock("cleanup"),
            forget=lambda: erasures_after_restore.run(
                self.erasure_tools(), self.snapshots.current()
            ),
            refresh=lambda: self._run_door("data_refresh", []),
            now=self.now,
        )

    def doctor_tools(self) -> "DoctorTools":
        from viecomrec.pipelines import health_check
        from viecomrec.pipelines.doctor import DoctorTools, free_dead_locks

        paths = self.paths
        health = self.health_tools(closes_dead_runs=False)
        # Asking a ledger that does not exist yet would create it.
        has_ledger = self.postgres is not None or paths.ledger_file.exists()
        components = health_check.COMPONENTS if has_ledger else ("service", "data", "models")
        return DoctorTools(
            root=paths.root,
            places={
                "settings": paths.settings_file,
                "input": paths.published_data,
                "snapshots": paths.snapshots,
                "models": paths.models,
                "embeddings": paths.embeddings,
                "ledger": paths.ledger_file,
                "logs": paths.logs,
                "reports": paths.reports,
            },
            locks=paths.locks,
            registry=self.registry,
            recent_runs=lambda: self.ledger.recent_runs() if has_ledger else [],
            check_health=lambda: health_check.run(components, health, alert=False),
            next_runs=self._next_runs,
            alerts=self.alerts,
            artifact_url=self.artifacts.url,
            describe_database=self._describe_database,
            repairs={
                "views": self._repair_views,
                "dead-runs": lambda: f"Closed: {self.ledger.close_dead_runs()}",
                "dead-locks": lambda: free_dead_locks(paths.locks),
                "alerts": lambda: f"Delivered {self.alerts.deliver_due()} messages",
            },
            now=self.now,
            zone=self.zone,
        )

    def _repair_views(self) -> str:
        """Make the read-only views for people show what is current again."""
        self.snapshots.repair_view()
        self.embeddings.repair_view()
        return "data/processed/ shows the current snapshot and embeddings"

    def _next_runs(self) -> list[tuple[str, datetime]]:
        from viecomrec.adapters.scheduler_files import ConfigFile
        from viecomrec.domain.schedules import next_occurrences

        config = ConfigFile(self.paths.scheduler_config_file).read()
        return [
            (job.name, coming.nominal_utc)
            for job in config.jobs.values()
            if job.enabled
            for coming in next_occurrences(job.schedule, self.zone, self.now(), 1)
        ]

    def demo_tools(self, screen: "Screen") -> "DemoTools":
        import time

        from viecomrec.adapters.demo_shop import DemoShopFiles
        from viecomrec.adapters.door_process import DoorProcesses
        from viecomrec.adapters.service_client import ServiceClient
        from viecomrec.adapters.service_process import running_service
        from viecomrec.pipelines.demo import DemoTools

        paths, wait_seconds = self.paths, self.settings.service.timeout_seconds
        return DemoTools(
            shop=DemoShopFiles(
                paths.published_data,
                paths.demo_shop_marker,
                paths.settings_file,
                paths.scheduler_config_file,
            ),
            doors=DoorProcesses(paths.root, paths.demo_logs),
            snapshots=self.snapshots,
            start_service=lambda: running_service(paths.root, paths.demo_service_log_file),
            connect=lambda url: ServiceClient(url, token=None, timeout_seconds=wait_seconds),
            screen=screen,
            clock=time.monotonic,
        )

"""What the scheduler and every run on record need."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from viecomrec.bootstrap.hosts import utc_now
from viecomrec.bootstrap.learning import Learning

if TYPE_CHECKING:
    from viecomrec.adapters.job_runs import JobRuns
    from viecomrec.adapters.occurrences import OccurrenceStore
    from viecomrec.adapters.shared_job_runs import RunKeeper
    from viecomrec.domain.results import PipelineResult
    from viecomrec.domain.scheduler_config import Job
    from viecomrec.pipelines.job_runs import RunTools
    from viecomrec.pipelines.scheduler_management import ManagementTools
    from viecomrec.pipelines.scheduler_process import SchedulerProcess


@dataclass(frozen=True)
class Scheduling(Learning):
    """What the scheduler and every run on record need."""

    def _occurrences(self) -> "OccurrenceStore":
        from viecomrec.adapters.occurrences import OccurrenceStore

        if self.leases is None:
            return OccurrenceStore(self.paths.ledger_file)
        return OccurrenceStore(self.leases.database, self.leases.check)

    def _job_runs(self) -> "JobRuns":
        if self.leases is not None:
            from viecomrec.adapters.shared_job_runs import SharedJobRuns

            return SharedJobRuns(
                self.paths.scheduler_runs, self.paths.locks, self.leases.database, self.leases
            )
        from viecomrec.adapters.job_runs import JobRuns

        return JobRuns(self.paths.scheduler_runs, self.paths.locks)

    def run_keeper(self) -> "RunKeeper | None":
        """What the supervisor of a job tells the other hosts."""
        if self.leases is None:
            return None
        from viecomrec.adapters.shared_job_runs import RunKeeper

        return RunKeeper(self.leases.database, self.leases)

    def _run_tools(self, command_for: "Callable[[Job], list[str]] | None" = None) -> "RunTools":
        from viecomrec.adapters.scheduler_files import TaskStatusFile
        from viecomrec.pipelines.job_runs import RunTools, door_command

        numbers = self.settings.scheduler
        return RunTools(
            store=self._occurrences(),
            runs=self._job_runs(),
            status=TaskStatusFile(self.paths.task_status_file),
            alerts=self.alerts,
            now=self.now,
            zone=self.zone,
            project=self.paths.root,
            logs=self.paths.scheduler_logs,
            log_limit_bytes=round(numbers.log_limit_mib * 2**20),
            grace_seconds=numbers.grace_seconds,
            is_pipeline_running=self._is_running,
            command_for=command_for or door_command,
        )

    def management_tools(self) -> "ManagementTools":
        from viecomrec.adapters.scheduler_files import ConfigFile, StopRequest
        from viecomrec.pipelines.scheduler_management import ManagementTools

        return ManagementTools(
            run_tools=self._run_tools(),
            config_file=ConfigFile(self.paths.scheduler_config_file),
            stop_request=StopRequest(self.paths.scheduler_stop_file),
            locks=self.paths.locks,
            scheduler_log=self.paths.scheduler_log_file,
            drain_seconds=self.settings.scheduler.drain_seconds,
            leadership=self.leadership("scheduler"),
        )

    def scheduler_process(
        self, command_for: "Callable[[Job], list[str]] | None" = None
    ) -> "SchedulerProcess":
        """The scheduler as a process; `command_for` replaces the doors, for other programs."""
        if self.postgres is not None and not self.is_ticking:
            return self._for_ticks().scheduler_process(command_for)
        from viecomrec.adapters.scheduler_files import ConfigFile, StopRequest
        from viecomrec.pipelines.scheduler import Scheduler
        from viecomrec.pipelines.scheduler_process import ProcessTools, SchedulerProcess

        return SchedulerProcess(
            lambda: Scheduler(
                self._run_tools(command_for),
                ConfigFile(self.paths.scheduler_config_file),
                self.settings.zone,
                self._has_model,
            ),
            ProcessTools(
                lock=self.own_lock("scheduler"),
                locks=self.paths.locks,
                stop_request=StopRequest(self.paths.scheduler_stop_file),
                log_file=self.paths.scheduler_log_file,
                notify_socket=self.settings.notify_socket,
                drain_seconds=self.settings.scheduler.drain_seconds,
                tell=self.dead_man_switch.tell,
                leadership=self.leadership("scheduler"),
            ),
        )

    def _for_ticks(self) -> Self:
        """As it is, but a tick does not wait for the database: the next one asks again.

        The server's clock decides what is due, unless the caller brought a clock.
        """
        numbers = self.settings.database.model_copy(update={"patience_seconds": 0.0})
        settings = self.settings.model_copy(update={"database": numbers})
        ticking = replace(self, settings=settings, is_ticking=True)
        if self.now is not utc_now or ticking.postgres is None:
            return ticking
        from viecomrec.adapters.server_clock import ServerClock

        clock = ServerClock(ticking.postgres, utc_now)
        return replace(ticking, now=clock)

    def _has_model(self) -> bool:
        """Whether any model is registered; a damaged registry is the health check's matter."""
        import json

        from viecomrec.errors import ArtifactStoreError

        try:
            file = self.kept_registry.read()
            content = {} if file is None else json.loads(file)
        except (OSError, ValueError, ArtifactStoreError):
            return True
        return not isinstance(content, dict) or bool(content.get("models"))

    def run_occurrence(
        self,
        job: str,
        text: str,
        work: "Callable[[], PipelineResult]",
        *,
        as_configured: bool = False,
        sleep: "Callable[[float], None] | None" = None,
    ) -> "PipelineResult":
        """Do the work of one nominal time of a job, unless the ledger knows of it already."""
        import time

        from viecomrec.adapters.scheduler_files import ConfigFile
        from viecomrec.pipelines.configured_occurrence import Patience
        from viecomrec.pipelines.occurrence import OccurrenceTools, run_occurrence

        tools = OccurrenceTools(
            self._run_tools(),
            ConfigFile(self.paths.scheduler_config_file),
            Patience(sleep or time.sleep),
        )
        return run_occurrence(job, text, work, tools, as_configured=as_configured)

    def run(
        self, pipeline: str, work: "Callable[[], PipelineResult]", config: dict[str, Any]
    ) -> "PipelineResult":
        """Run one pipeline under its lock, on record and with an alert when it fails."""
        from viecomrec.pipelines.runner import run_pipeline
        from viecomrec.pipelines.signs_of_life import with_signs

        return run_pipeline(
            pipeline,
            with_signs(pipeline, work, self.dead_man_switch.tell),
            tracker=self.ledger,
            lock=self.lock(pipeline),
            send_alert=self.alerts.send,
            resolve_alert=self.alerts.resolve,
            config=config,
        )

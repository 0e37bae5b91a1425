"""What an installation stands on: disk, clock, scheduler, waiting events, waiting deployment."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from viecomrec.domain.deployment import DeploymentRecord, DeploymentState
from viecomrec.domain.health import (
    DEPLOY,
    REFRESH,
    SERVE,
    Check,
    Say,
    critical,
    healthy,
    type_in,
    warning,
)

GIGABYTE = 1_000_000_000
CRITICAL_FREE_BYTES = GIGABYTE // 5
WARNING_FREE_BYTES = 2 * GIGABYTE
WARNING_FREE_SHARE = 0.05
CLOCK_TOLERANCE = timedelta(minutes=2)
SET_CLOCK = Say("Set the clock right (time synchronisation)", "Chỉnh lại đồng hồ (đồng bộ giờ)")
LONGEST_PENDING = timedelta(days=1)
LONGEST_BACKLOG = timedelta(days=2)


def check_disk(free_bytes: int, total_bytes: int) -> Check:
    """A full disk stops every pipeline; there should be room for a snapshot and a model."""
    name, looked_at = "disk_space", "free space where the project lies"
    free, total = free_bytes / GIGABYTE, total_bytes / GIGABYTE
    found = Say(
        f"{free:.1f} of {total:.1f} GB are free", f"còn trống {free:.1f} trên {total:.1f} GB"
    )
    preview = "python -m automation.cleanup --dry-run"
    action = Say(
        f"Free some space: {preview} shows what could go",
        f"Giải phóng dung lượng: {preview} cho biết có thể xoá những gì",
    )
    if free_bytes < CRITICAL_FREE_BYTES:
        return critical(name, looked_at, found, action)
    if free_bytes < min(WARNING_FREE_BYTES, WARNING_FREE_SHARE * total_bytes):
        return warning(name, looked_at, found, action)
    return healthy(name, looked_at, found)


def check_database(shown: str, version: str | None, problem: str | None) -> Check:
    """Without the database no host can run a pipeline or take an event in."""
    name, looked_at = "database", shown
    if problem is None:
        found = Say(f"PostgreSQL {version} answers", f"PostgreSQL {version} có trả lời")
        return healthy(name, looked_at, found)
    action = Say("Do what the message says", "Làm theo thông báo")
    return critical(name, looked_at, type_in(problem), action)


def check_artifact_store(url: str, problem: str | None) -> Check:
    """Without the store no host can publish; a service goes on with what it has."""
    name, looked_at = "artifact_store", url
    if problem is None:
        return healthy(name, looked_at, Say("it answers", "có trả lời"))
    action = Say(
        "Do what the message says, then run the pipelines again",
        "Làm theo thông báo, rồi chạy lại các pipeline",
    )
    return critical(name, looked_at, type_in(problem), action)


def check_clock(
    now: datetime, newest_record_at: datetime | None, server_at: datetime | None = None
) -> Check:
    """The clock must not be behind what is on record, nor differ from a shared server's."""
    name, looked_at = "clock", "this machine's clock against the newest run on record"
    present = now.isoformat(timespec="seconds")
    if server_at is not None and abs(server_at - now) > CLOCK_TOLERANCE:
        server = server_at.isoformat(timespec="seconds")
        found = Say(
            f"it is {present} here, and {server} by the clock of the database server",
            f"ở đây là {present}, còn đồng hồ của máy chủ cơ sở dữ liệu là {server}",
        )
        return warning(name, "this machine's clock against the server's", found, SET_CLOCK)
    if newest_record_at is None or newest_record_at <= now + CLOCK_TOLERANCE:
        return healthy(name, looked_at, type_in(present))
    newest = newest_record_at.isoformat(timespec="seconds")
    found = Say(
        f"it is {present}, but a run is on record at {newest}",
        f"bây giờ là {present}, nhưng đã có một lần chạy ghi lúc {newest}",
    )
    return warning(name, looked_at, found, SET_CLOCK)


def check_scheduler(*, was_started: bool, is_alive: bool | None) -> Check:
    """None for `is_alive` means that nobody holds the scheduler's lock."""
    name, looked_at = "scheduler", "the scheduler's lock"
    if is_alive:
        return healthy(name, looked_at, Say("it runs", "đang chạy"))
    if not was_started:
        found = Say(
            "never started here; jobs are run by something else",
            "chưa từng chạy ở đây; công việc do chương trình khác gọi",
        )
        return healthy(name, looked_at, found)
    found = Say(
        "it was started here and does not run now", "đã từng chạy ở đây nhưng hiện không chạy"
    )
    start = "python -m automation.scheduler"
    return warning(name, looked_at, found, Say(f"Start it: {start}", f"Khởi động: {start}"))


def check_backlog(n_pending: int, last_refresh_at: datetime | None, now: datetime) -> Check:
    """Events wait for the next refresh; they should not wait for days."""
    name, looked_at = "staging_backlog", "data/staging"
    if n_pending == 0:
        return healthy(name, looked_at, Say("nothing waits", "không có gì chờ"))
    found = Say(
        f"{n_pending} events wait for the next refresh",
        f"{n_pending} lượt tương tác chờ lần làm mới kế tiếp",
    )
    if last_refresh_at is None or now - last_refresh_at > LONGEST_BACKLOG:
        late = Say(f"{found.en}, which is overdue", f"{found.vi}, đã quá hạn")
        return warning(name, looked_at, late, type_in(REFRESH))
    return healthy(name, looked_at, found)


def pending_since(history: Sequence[DeploymentRecord]) -> datetime | None:
    """Since when the model of the last record has been pending; None where it is not."""
    since = None
    for record in reversed(history):
        same = since is None or record.model_id == history[-1].model_id
        if record.state is not DeploymentState.PENDING or not same:
            break
        since = record.timestamp_utc
    return since


def check_pending_deployment(history: Sequence[DeploymentRecord], now: datetime) -> Check:
    name, looked_at = "pending_deployment", "logs/deployment_history.jsonl"
    since = pending_since(history)
    if since is None:
        return healthy(name, looked_at, Say("nothing is pending", "không có gì chờ triển khai"))
    model_id, hours = history[-1].model_id, (now - since).total_seconds() / 3600
    found = Say(
        f"{model_id} has been pending for {hours:.0f} h",
        f"{model_id} đã chờ triển khai {hours:.0f} giờ",
    )
    if now - since > LONGEST_PENDING:
        action = Say(
            f"Start the service ({SERVE}), then finish the deployment: {DEPLOY}",
            f"Khởi động dịch vụ ({SERVE}), sau đó hoàn tất việc triển khai: {DEPLOY}",
        )
        return warning(name, looked_at, found, action)
    return healthy(name, looked_at, found)

"""What makes the service, the data, the models and the pipelines healthy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from viecomrec.domain.deployment import LiveModel
from viecomrec.domain.health import (
    DEPLOY,
    EMBED,
    REFRESH,
    SERVE,
    TRAIN,
    Check,
    Say,
    critical,
    healthy,
    type_in,
    warning,
)
from viecomrec.domain.registry import ModelRecord

SECONDS_PER_DAY = 86_400
WORDS_OF_WEIGHTS = Say(
    "Put the weights where docs/text_models.md says, or choose one that needs none in "
    "config/settings.json",
    "Đặt tệp trọng số theo hướng dẫn trong docs/text_models.md, hoặc chọn loại không cần tải về "
    "trong config/settings.json",
)


# --- service -----------------------------------------------------------------------------
def check_loaded_model(url: str, live: LiveModel, installation_id: str | None) -> Check:
    name, looked_at = "model_loaded", f"{url}/model_info"
    if live.installation_id != installation_id:
        found = Say(
            f"the service belongs to another installation ({live.installation_id})",
            f"dịch vụ này thuộc một bản cài đặt khác ({live.installation_id})",
        )
        action = Say(
            f"Stop the other service or point SERVICE_URL at this one's; then: {SERVE}",
            f"Dừng dịch vụ kia hoặc sửa SERVICE_URL cho đúng; sau đó: {SERVE}",
        )
        return critical(name, looked_at, found, action)
    if live.model_id is None or live.status == "empty":
        found = Say(f"no model is loaded ({live.status})", "chưa có mô hình nào được nạp")
        action = Say(
            f"Train and deploy a model: {TRAIN}, then {DEPLOY}",
            f"Huấn luyện rồi triển khai một mô hình: {TRAIN}, sau đó {DEPLOY}",
        )
        return critical(name, looked_at, found, action)
    if live.status == "degraded":
        found = Say(
            f"{live.model_id} is loaded, the service calls itself degraded",
            f"{live.model_id} đã được nạp nhưng dịch vụ báo đang chạy hạn chế",
        )
        action = Say(f"Read {url}/health for the reason", f"Xem lý do tại {url}/health")
        return warning(name, looked_at, found, action)
    found = Say(
        f"{live.model_id} is loaded ({live.status})", f"{live.model_id} đã được nạp, chạy tốt"
    )
    return healthy(name, looked_at, found)


def check_answer(url: str, answer: Mapping[str, Any]) -> Check:
    """An unknown user must get a list too: an empty service is not healthy."""
    name, looked_at = "answers", f"POST {url}/recommend for an unknown user"
    items = answer.get("items")
    if not isinstance(items, list) or not items:
        action = Say(
            f"Return to the model before: {DEPLOY} --rollback, or train: {TRAIN}",
            f"Quay lại mô hình trước: {DEPLOY} --rollback, hoặc huấn luyện: {TRAIN}",
        )
        return critical(name, looked_at, Say("an empty list", "danh sách gợi ý rỗng"), action)
    return healthy(name, looked_at, Say(f"{len(items)} products", f"trả về {len(items)} sản phẩm"))


def check_served_model(live_id: str | None, deployed: str | None, desired: str | None) -> Check:
    name, looked_at = "deployment", "registry.json against /model_info"
    if desired is not None and live_id != desired:
        found = Say(
            f"the service serves {live_id}, wanted is {desired}",
            f"dịch vụ đang dùng {live_id}, nhưng mô hình cần chạy là {desired}",
        )
        action = Say(f"Finish the deployment: {DEPLOY}", f"Hoàn tất việc triển khai: {DEPLOY}")
        return warning(name, looked_at, found, action)
    if live_id != deployed:
        found = Say(
            f"the service serves {live_id}, confirmed is {deployed}",
            f"dịch vụ đang dùng {live_id}, nhưng mô hình đã xác nhận là {deployed}",
        )
        action = Say(f"Record the truth: {DEPLOY}", f"Ghi nhận lại cho đúng: {DEPLOY}")
        return warning(name, looked_at, found, action)
    found = Say(
        f"wanted, confirmed and served: {live_id}", f"cần chạy, đã xác nhận và đang chạy: {live_id}"
    )
    return healthy(name, looked_at, found)


# --- data --------------------------------------------------------------------------------
def check_freshness(
    created_at: datetime, last_refresh_at: datetime | None, now: datetime, fresh_days: float
) -> Check:
    """Data is fresh when it was built, or looked through and found unchanged, lately."""
    name, looked_at = "freshness", "snapshot and completed runs of data_refresh"
    seen_at = max(created_at, last_refresh_at or created_at)
    built, seen = _age(created_at, now), _age(seen_at, now)
    found = Say(
        f"built {built.en}, last looked through {seen.en}",
        f"dựng {built.vi}, kiểm tra lần cuối {seen.vi}",
    )
    if seen_at > now:
        ahead = Say(
            f"the data is newer than the clock: {found.en}",
            f"dữ liệu mới hơn đồng hồ của máy: {found.vi}",
        )
        action = Say("Check the clock of this machine", "Kiểm tra đồng hồ của máy này")
        return warning(name, looked_at, ahead, action)
    if (now - seen_at).total_seconds() / SECONDS_PER_DAY >= fresh_days:
        return warning(name, looked_at, _beyond(found, fresh_days), type_in(REFRESH))
    return healthy(name, looked_at, found)


def check_embeddings(
    model: str | None,
    created_at: datetime | None,
    degraded_reason: str | None,
    now: datetime,
    fresh_days: float,
) -> Check:
    """`model` None means that there are no embeddings; a degraded encoder is a warning."""
    name, looked_at = "embeddings", "artifacts/embeddings"
    if model is None or created_at is None:
        found = Say("no product embeddings yet", "chưa có vector mô tả sản phẩm")
        return warning(name, looked_at, found, type_in(EMBED))
    age = _age(created_at, now)
    found = Say(f"{model}, made {age.en}", f"{model}, tạo {age.vi}")
    if degraded_reason is not None:
        reduced = Say(
            f"{found.en}; degraded: {degraded_reason}",
            f"{found.vi}; đang dùng bộ mã hoá thay thế vì không có trọng số của bộ đã chọn",
        )
        return warning(name, looked_at, reduced, WORDS_OF_WEIGHTS)
    if (now - created_at).total_seconds() / SECONDS_PER_DAY >= fresh_days:
        return warning(name, looked_at, _beyond(found, fresh_days), type_in(EMBED))
    return healthy(name, looked_at, found)


def check_comment_scorer(scorer: Mapping[str, Any] | None) -> Check:
    """Which scorer judged the comments; one that stands in for another is a warning."""
    name, looked_at = "comment_scorer", "data_stats.json"
    if not scorer:
        found = Say("no scorer is on record", "không rõ bộ chấm điểm bình luận nào đã được dùng")
        return warning(name, looked_at, found, type_in(f"{REFRESH} --force-full"))
    who = f"{scorer.get('model')} ({scorer.get('version')})"
    found = Say(f"comments are judged by {who}", f"bình luận được chấm bởi {who}")
    if scorer.get("degraded"):
        reduced = Say(
            f"{found.en}; degraded: {scorer.get('degraded_reason')}",
            f"{found.vi}; đây là bộ thay thế vì không có trọng số của bộ đã chọn",
        )
        return warning(name, looked_at, reduced, WORDS_OF_WEIGHTS)
    return healthy(name, looked_at, found)


# --- models ------------------------------------------------------------------------------
def check_current_best(current_best: str | None, n_models: int) -> Check:
    name, looked_at = "current_best", "registry.json"
    if current_best is None:
        found = Say(
            f"no model is chosen ({n_models} registered)",
            f"chưa chọn được mô hình nào ({n_models} mô hình trong danh sách)",
        )
        return warning(name, looked_at, found, type_in(f"{TRAIN} --auto-select"))
    found = Say(
        f"{current_best} ({n_models} registered)",
        f"{current_best} ({n_models} mô hình trong danh sách)",
    )
    return healthy(name, looked_at, found)


def check_performance(record: ModelRecord) -> Check:
    name, looked_at = "performance", f"metrics of {record.model_id} against popularity"
    if record.above_popularity is None:
        found = Say("never evaluated", "chưa từng được đánh giá")
        return warning(name, looked_at, found, type_in(f"{TRAIN} --auto-select"))
    if not record.above_popularity:
        found = Say(
            "not above the popularity baseline", "không tốt hơn danh sách bán chạy thông thường"
        )
        return warning(name, looked_at, found, type_in(TRAIN))
    found = Say("above the popularity baseline", "tốt hơn danh sách bán chạy thông thường")
    return healthy(name, looked_at, found)


# --- pipelines ---------------------------------------------------------------------------
def check_success_rate(
    pipeline: str, counts: Mapping[str, Any], days: int, min_success_rate: float
) -> Check:
    """The guide's rule: more than half of the ended runs succeeded."""
    name, looked_at = f"success_rate:{pipeline}", f"runs of the last {days} days"
    rate = counts.get("success_rate")
    if rate is None:
        found = Say("no run has ended yet", "chưa có lần chạy nào kết thúc")
        return healthy(name, looked_at, found)
    completed, ended = counts["completed"], counts["completed"] + counts["failed"]
    found = Say(
        f"{completed} of {ended} runs succeeded", f"{completed} trên {ended} lần chạy thành công"
    )
    if rate <= min_success_rate:
        action = Say(
            f"Read the last error: viecomrec doctor; then: python -m automation.{pipeline}",
            f"Xem lỗi gần nhất: viecomrec doctor; sau đó: python -m automation.{pipeline}",
        )
        return warning(name, looked_at, found, action)
    return healthy(name, looked_at, found)


def check_dead_runs(closed: list[str]) -> Check:
    name, looked_at = "stale_runs", "runs on record whose process is gone"
    if not closed:
        return healthy(name, looked_at, Say("none", "không có"))
    names = ", ".join(closed)
    found = Say(
        f"{len(closed)} killed from outside, now recorded as failed: {names}",
        f"{len(closed)} lần chạy bị ngắt từ bên ngoài, đã ghi là thất bại: {names}",
    )
    action = Say(
        "Look for the reason: memory, a restart, a timeout",
        "Tìm nguyên nhân: thiếu bộ nhớ, máy khởi động lại, quá thời gian",
    )
    return warning(name, looked_at, found, action)


# --- words -------------------------------------------------------------------------------
def _beyond(found: Say, limit_days: float) -> Say:
    return Say(
        f"{found.en} (limit {limit_days:g} days)", f"{found.vi} (giới hạn {limit_days:g} ngày)"
    )


def _age(at: datetime, now: datetime) -> Say:
    hours = (now - at).total_seconds() / 3600
    if abs(hours) < 48:  # noqa: PLR2004 - from two days on, days are easier to read
        return Say(f"{hours:.0f} h ago", f"{hours:.0f} giờ trước")
    return Say(f"{hours / 24:.0f} days ago", f"{hours / 24:.0f} ngày trước")

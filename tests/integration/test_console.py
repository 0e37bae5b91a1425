"""The console of a real service: who may see it, what it changes, what it never lets through."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import httpx2
import numpy as np
import polars as pl
import pytest
from installation import NEW_MODEL, OLD_MODEL, TOKEN, write_installation
from server import running_service

from viecomrec.adapters.ledger import Ledger
from viecomrec.adapters.quarantine import QuarantineFiles
from viecomrec.domain.drift import (
    DriftLimits,
    Window,
    compare_popularity,
    compare_rate,
    compare_ratings,
)
from viecomrec.domain.drift_report import DriftReport, summarise
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State

PAGES = ("/", "/jobs", "/jobs/data_refresh", "/runs", "/models", "/data", "/try", "/alerts")
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    installation = write_installation(tmp_path_factory.mktemp("shop"))
    installation.registry.update(
        lambda registry: (
            registry.confirm(OLD_MODEL).confirm(NEW_MODEL).promote(NEW_MODEL)
            if registry.record(NEW_MODEL).above_popularity
            else registry.confirm(OLD_MODEL).confirm(NEW_MODEL)
        )
    )
    version = installation.snapshots.require_current().version
    QuarantineFiles(installation.paths.quarantine).write(
        version,
        pl.DataFrame(
            {
                "source": ["data_reviews_purchase.csv"],
                "row": [7],
                "rule": ["rating_out_of_range"],
                "reason": [f"rating {SCRIPT}"],
                "comment": [SCRIPT],
            }
        ),
    )
    run_id = installation.ledger.start_run("model_training", {"note": SCRIPT})
    installation.ledger.fail_run(run_id, SCRIPT)
    installation.alerts.send("model_training", "error", SCRIPT)
    return installation


@pytest.fixture(scope="module")
def service(installation):
    with running_service(installation.paths.root) as client:
        yield client


@pytest.fixture
def anybody(service):
    with httpx2.Client(base_url=service.base_url, timeout=20) as client:
        yield client


@pytest.fixture
def owner(service):
    with httpx2.Client(base_url=service.base_url, timeout=20, follow_redirects=True) as client:
        assert client.post("/console/sign-in", data={"token": TOKEN}).status_code == 200
        yield client


def csrf(client):
    return re.search(r'name="csrf" value="(\w+)"', client.get("/console/jobs").text)[1]


def change(client, path, **fields):
    return client.post(f"/console{path}", data={"csrf": csrf(client), **fields})


# --- who may see it ----------------------------------------------------------------------
@pytest.mark.parametrize("path", [*PAGES, "/runs/x", "/jobs/data_refresh/log", "/nothing"])
def test_nobody_sees_a_page_without_signing_in(anybody, path):
    answer = anybody.get(f"/console{path}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in"


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/cleanup/run",
        "/jobs/cleanup/enabled",
        "/jobs/cleanup/schedule",
        "/models/deploy",
        "/alerts/test",
    ],
)
def test_pitfall_36_nobody_changes_anything_without_signing_in(anybody, path, installation):
    before = installation.registry.read()
    assert anybody.post(f"/console{path}", data={"csrf": "x"}).status_code == 303
    assert installation.registry.read() == before
    assert not installation.paths.scheduler_config_file.exists()


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_a_wrong_token_does_not_sign_in(anybody, token):
    answer = anybody.post("/console/sign-in", data={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_cookie_of_a_session_is_kept_from_scripts_and_other_sites(anybody):
    answer = anybody.post("/console/sign-in", data={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/console" in cookie
    assert TOKEN not in cookie


def test_the_link_that_serve_prints_signs_in(anybody, installation):
    log = (installation.paths.root / "service.log").read_text(encoding="utf-8")
    link = re.search(r"/console/enter\?ticket=\S+", log)[0]
    assert anybody.get(link).headers["location"] == "/console/"
    assert anybody.get("/console/").status_code == 200


def test_an_invented_ticket_does_not_sign_in(anybody):
    answer = anybody.get("/console/enter?ticket=9999999999.x.y")
    assert answer.headers["location"] == "/console/sign-in"


def test_signing_out_ends_the_session(owner):
    assert "token" in change(owner, "/sign-out").text
    assert owner.get("/console/jobs").url.path == "/console/sign-in"


@pytest.mark.parametrize("shown", ["", "0" * 64])
def test_a_form_of_another_site_is_refused(owner, installation, shown):
    answer = owner.post("/console/jobs/cleanup/enabled", data={"enabled": "no", "csrf": shown})
    assert answer.status_code == 403
    assert not installation.paths.scheduler_config_file.exists()


def test_the_form_of_another_session_is_refused(owner, service):
    with httpx2.Client(base_url=service.base_url, follow_redirects=True) as other:
        other.post("/console/sign-in", data={"token": TOKEN})
        stolen = csrf(other)
    answer = owner.post("/console/alerts/test", data={"csrf": stolen})
    assert answer.status_code == 403


# --- what it shows -----------------------------------------------------------------------
@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_in_both_languages_with_a_strict_policy(owner, path, language):
    owner.cookies.set("viecomrec_language", language, path="/console")
    answer = owner.get(f"/console{path}")
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert " style=" not in answer.text
    assert "onclick" not in answer.text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text) == []


@pytest.mark.parametrize("path", ["/runs", "/alerts", "/data"])
def test_a_script_in_a_text_stays_a_text(owner, path):
    text = owner.get(f"/console{path}").text
    assert SCRIPT not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("where", ["q", "user", "model", "item"])
def test_a_script_in_a_query_stays_a_text(owner, where):
    answer = owner.get("/console/try", params={"user": "u0", where: SCRIPT})
    assert SCRIPT not in answer.text


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/consolex", "/"])
def test_preferences_never_lead_to_another_place(anybody, back):
    answer = anybody.get("/console/preferences", params={"language": "en", "back": back})
    assert answer.headers["location"] == "/console"


def test_preferences_are_remembered(owner):
    page = owner.get("/console/preferences?language=en&theme=dark&back=/console/jobs")
    assert page.url.path == "/console/jobs"
    assert '<html lang="en" data-theme="dark"' in page.text


@pytest.mark.parametrize(
    "path",
    ["/runs/..%2F..%2Fetc", "/jobs/..%2F..%2Fx", "/jobs/nothing", "/jobs/nothing/log", "/runs/x"],
)
def test_what_does_not_exist_is_said_without_a_place_on_this_machine(owner, installation, path):
    answer = owner.get(f"/console{path}")
    assert answer.status_code in {400, 404}
    assert str(installation.paths.root) not in answer.text


def test_files_of_the_service_are_not_served(owner):
    for path in ("/console/static/../frame.py", "/console/static/%2e%2e/frame.py"):
        assert "Visit" not in owner.get(path).text


def test_try_it_answers_for_a_user_a_basket_and_a_search(owner):
    page = owner.get("/console/try", params={"user": "u0", "q": "sua rua mat"}).text
    assert page.count('class="signals"') > 0
    assert "Sữa rửa mặt" in page
    basket = owner.get("/console/try", params={"item": ["p0", "p2"], "remove": "p2"}).text
    assert 'name="item" value="p0"' in basket
    assert 'name="item" value="p2"' not in basket
    assert NEW_MODEL in basket


def test_try_it_shows_two_models_side_by_side(owner):
    page = owner.get("/console/try", params={"user": "u0", "model": OLD_MODEL}).text
    assert f"<h2>{NEW_MODEL}</h2>" in page
    assert f"<h2>{OLD_MODEL}</h2>" in page


# --- what it changes ---------------------------------------------------------------------
def test_a_job_is_paused_and_resumed(owner, installation):
    for enabled in (False, True):
        change(owner, "/jobs/cleanup/enabled", enabled="yes" if enabled else "no")
        config = json.loads(installation.paths.scheduler_config_file.read_text())
        assert config["jobs"]["cleanup"]["enabled"] is enabled
        assert ("Tạm dừng</span>" in owner.get("/console/jobs/rows").text) is not enabled


def test_pitfall_33_changing_the_hour_of_a_weekly_job_keeps_it_weekly(owner, installation):
    answer = change(
        owner, "/jobs/model_training/schedule", minute="30", hour="4", day_of_week="sun"
    )
    assert answer.status_code == 200
    config = json.loads(installation.paths.scheduler_config_file.read_text())
    schedule = config["jobs"]["model_training"]["schedule"]
    assert schedule == {"day_of_week": "sun", "hour": 4, "minute": 30}


@pytest.mark.parametrize(("name", "value"), [("hour", "25"), ("day_of_week", "funday")])
def test_a_wrong_schedule_is_refused_in_words_and_changes_nothing(owner, installation, name, value):
    change(owner, "/jobs/cleanup/enabled", enabled="yes")
    before = installation.paths.scheduler_config_file.read_bytes()
    answer = change(owner, "/jobs/data_refresh/schedule", minute="0", **{name: value})
    assert answer.status_code == 400
    assert value in answer.text
    assert installation.paths.scheduler_config_file.read_bytes() == before


def test_the_preview_shows_five_times_or_what_is_wrong(owner):
    preview = "/console/jobs/data_refresh/preview"
    assert owner.get(preview, params={"hour": "2", "minute": "30"}).text.count("02:30") == 5
    assert "77" in owner.get(preview, params={"hour": "77"}).text


def test_a_job_runs_at_once_and_its_log_can_be_followed(owner, installation):
    change(owner, "/jobs/health_check/run")
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        page = owner.get("/console/jobs/rows").text
        if "Đang chạy" not in page:
            break
        time.sleep(0.2)
    (row,) = installation.management_tools().run_tools.store.recent("health_check")
    assert row.ended_at_utc is not None
    assert owner.get("/console/jobs/health_check").status_code == 200
    news = owner.get("/console/jobs/health_check/log").json()
    assert "health_check" in news["text"]
    again = owner.get("/console/jobs/health_check/log", params=news).json()
    assert again == {"file": news["file"], "offset": news["offset"], "text": ""}


def test_the_page_of_a_run_shows_the_log_of_the_job_that_did_it(owner, installation):
    change(owner, "/jobs/health_check/run")
    deadline = time.monotonic() + 90
    while "Đang chạy" in owner.get("/console/jobs/rows").text and time.monotonic() < deadline:
        time.sleep(0.2)
    run = installation.ledger.recent_runs("health_check", 1)[0]
    page = owner.get(f"/console/runs/{run.run_id}").text
    assert re.search(r"<code>logs/scheduler/health_check_\d{8}_\d{6}(_\d+)?\.log</code>", page)
    log = re.search(r'<pre class="log".*?>(.*?)</pre>', page, re.DOTALL)[1]
    assert "run started" in log
    assert run.run_id in log


def test_a_script_and_the_length_of_a_log_do_no_harm_to_the_page_of_a_run(owner, installation):
    run_id = installation.ledger.start_run("cleanup", {})
    started = installation.ledger.find_run(run_id).start_time
    stamp = re.sub(r"[-:]", "", started[:19]).replace("T", "_")
    log = installation.paths.scheduler_logs / f"cleanup_{stamp}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{run_id} the first line\n" + "a line\n" * 30_000 + SCRIPT, encoding="utf-8")
    page = owner.get(f"/console/runs/{run_id}").text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert "the first line" not in page
    assert "chỉ phần cuối" in page
    assert len(page) < 150_000


def test_a_run_by_hand_has_no_log_and_says_so(owner, installation):
    by_hand = Ledger(
        installation.paths.ledger_file,
        installation.paths.locks,
        lambda: datetime.now(UTC),
        installation.zone,
    ).start_run("cleanup", {})
    assert "chạy bằng tay, lời của nó" in owner.get(f"/console/runs/{by_hand}").text
    long_ago = installation.ledger.start_run("data_refresh", {})  # at the instant of the shop
    assert "Không còn nhật ký" in owner.get(f"/console/runs/{long_ago}").text


def test_messages_of_runs_are_vietnamese_on_a_vietnamese_page(owner, installation):
    run_id = installation.ledger.start_run("data_refresh", {})
    installation.ledger.complete_run(run_id, {"status": "skipped", "message": "No new data"})
    page = "/console/runs?pipeline=data_refresh"
    assert "Không có dữ liệu mới" in owner.get(page).text
    owner.cookies.set("viecomrec_language", "en", path="/console")
    assert '<span lang="en">No new data</span>' in owner.get(page).text


FRESHNESS = ("built 9 days ago", "dựng 9 ngày trước")


@pytest.fixture(scope="module")
def troubled(installation):
    """A shop in which much went wrong: what its pages say of it."""
    ledger, now = installation.ledger, datetime.now(UTC)  # as the service's own clock
    for pipeline, words in (
        ("drift_detection", "There is no event to compare. Run: python -m automation.data_refresh"),
        ("bert_embeddings", "TypeError: 'NoneType' object is not iterable"),
    ):
        ledger.fail_run(ledger.start_run(pipeline, {}), words)
    details = {"incident": "data/freshness", "action": "Type it", "found_vi": FRESHNESS[1]}
    installation.alerts.send("health_check", "warning", FRESHNESS[0], details)
    installation.alerts.send("data_refresh", "error", "Snapshot 12ab lacks products.parquet.")
    version = installation.snapshots.require_current().version
    quarantine = QuarantineFiles(installation.paths.quarantine)
    row = {
        "source": "data_reviews_purchase.csv",
        "row": 9,
        "rule": "rating_not_a_number",
        "reason": "rating 'năm' is not a number",
        "comment": "tốt",
    }
    before = quarantine.read(version)
    quarantine.write(version, pl.concat([before, pl.DataFrame([row]).cast(before.schema)]))
    failed = OccurrenceRecord(
        job="cleanup",
        nominal_utc=now - timedelta(hours=2),
        nominal_day=now.date(),
        state=State.RAN,
        cause=Cause.SCHEDULE,
        decided_at_utc=now,
        started_at_utc=now - timedelta(hours=2),
        ended_at_utc=now - timedelta(hours=1),
        exit_code=1,
        error="timed out after 60 s; its whole process tree was ended",
    )
    late = failed.model_copy(
        update={
            "nominal_utc": now - timedelta(hours=3),
            "state": State.SKIPPED,
            "reason": "overlap: a run that the scheduler did not start goes on",
            "error": None,
        }
    )
    store = installation.management_tools().run_tools.store
    for one in (failed, late):
        store.change(one.job, one.nominal_utc, lambda _, one=one: one)
    _write_drift_report(installation)
    return installation


def _write_drift_report(installation):
    rng, limits, start = np.random.default_rng(0), DriftLimits(), installation.now()
    weekly = (1300, 1280, 1290, 1260)
    at = [start + timedelta(weeks=n) for n in (0, 4, 5)]
    before = Window(at[0], at[1], (10, 20, 100, 2000, 3000), {"a": 3000, "b": 2130}, weekly)
    recent = Window(at[1], at[2], (3000, 2000, 100, 20, 10), {"c": 4000, "d": 1130}, (5130,))
    found = [
        compare(before, recent, limits, rng)
        for compare in (compare_ratings, compare_popularity, compare_rate)
    ]
    report = DriftReport(
        timestamp="2026-01-31T15:00:00",
        timestamp_utc="2026-01-31T08:00:00+00:00",
        snapshot_version="12ab",
        drift_detected=True,
        retrain_recommended=True,
        summary=summarise(*found),
        rating_distribution=found[0],
        popularity_distribution=found[1],
        interaction_rate=found[2],
        baseline_start=start,
        baseline_end=start,
        recent_start=start,
        recent_end=start,
        newest_event_age_days=1,
        alpha=0.05,
        n_resamples=1000,
        seed=0,
        top_products=(),
        weekly_events=(),
    )
    folder = installation.paths.drift_reports
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drift_report_20260131.json").write_text(report.model_dump_json(), encoding="utf-8")


VIETNAMESE = {
    "/runs?pipeline=drift_detection": "Không có sự kiện nào để so sánh. Chạy: python -m automation",
    "/runs?pipeline=bert_embeddings": (
        '<span class="original">Nguyên văn:</span> <span lang="en">TypeError:'
    ),
    "/alerts": "Bản dữ liệu 12ab thiếu products.parquet.",
    "/data": "số sao &#39;năm&#39; không phải là số",
    "/jobs/cleanup": "quá thời hạn 60 giây; toàn bộ tiến trình của nó đã bị dừng",
    "/jobs/cleanup/preview?hour=77": "hour là 77; được phép: 0 đến 23",
    "/jobs/nothing": "Không có công việc &#39;nothing&#39;",
}
ENGLISH = {
    "/runs?pipeline=drift_detection": "There is no event to compare.",
    "/alerts": "Snapshot 12ab lacks products.parquet.",
    "/data": "rating &#39;năm&#39; is not a number",
    "/jobs/cleanup": "timed out after 60 s",
}


@pytest.mark.parametrize("path", VIETNAMESE)
def test_what_went_wrong_is_told_in_vietnamese(owner, troubled, path):
    assert VIETNAMESE[path] in owner.get(f"/console{path}").text


@pytest.mark.parametrize("path", ENGLISH)
def test_english_pages_tell_what_is_on_record(owner, troubled, path):
    owner.cookies.set("viecomrec_language", "en", path="/console")
    page = owner.get(f"/console{path}").text
    assert ENGLISH[path] in page
    assert "Nguyên văn" not in page


def test_alerts_of_the_health_check_are_told_in_the_language_of_the_page(owner, troubled):
    vietnamese = owner.get("/console/alerts").text
    assert FRESHNESS[1] in vietnamese
    assert FRESHNESS[0] not in vietnamese
    owner.cookies.set("viecomrec_language", "en", path="/console")
    assert FRESHNESS[0] in owner.get("/console/alerts").text


def test_an_open_incident_says_what_was_told_last_of_it(owner, troubled):
    page = owner.get("/console/alerts").text
    incidents = page.partition("Sự cố đang mở")[2].partition("</section>")[0]
    assert "<b>Kiểm tra sức khỏe</b> · Độ mới của dữ liệu" in incidents
    assert FRESHNESS[1] in incidents
    assert "Bản dữ liệu 12ab thiếu products.parquet." in incidents


def test_a_refresh_leads_to_the_models_of_its_snapshot_and_to_what_is_live(owner, installation):
    version = installation.snapshots.require_current().version
    run_id = installation.ledger.start_run("data_refresh", {})
    installation.ledger.complete_run(run_id, {"status": "success", "snapshot_version": version})
    page = owner.get(f"/console/runs/{run_id}").text
    lineage = page.partition("Nguồn gốc")[2].partition("</section>")[0]
    deployed = installation.registry.read().deployed
    assert f"<b>Bản dữ liệu</b> <code>{version}</code>" in lineage
    assert f"<b>Mô hình</b> <code>{OLD_MODEL}</code>" in lineage
    assert f"<b>Đã triển khai</b> <code>{deployed}</code>" in lineage


def test_the_page_of_a_run_tells_its_result_in_words_before_the_json(owner, installation):
    run_id = installation.ledger.start_run("bert_embeddings", {})
    result = {
        "status": "success",
        "message": "2200 products embedded by tfidf",
        "n_encoded": 2200,
        "degraded_reason": SCRIPT,
        "models": {"als_1": {"ndcg@10": 0.25, "popularity_ndcg@10": None}},
    }
    installation.ledger.complete_run(run_id, result)
    page = owner.get(f"/console/runs/{run_id}").text
    told, _, raw = page.partition("<details>")
    assert "Đã tạo véc-tơ cho 2200 sản phẩm bằng tfidf" in told
    assert "<dt>Văn bản đã mã hóa</dt><dd>2.200</dd>" in told
    assert re.search(r"<code>als_1</code></th><td[^>]*>0,2500</td><td[^>]*>-</td>", told)
    assert "&#34;n_encoded&#34;: 2200" in raw
    assert SCRIPT not in page


def test_the_page_of_a_failed_run_tells_its_error_in_vietnamese(owner, troubled):
    run = troubled.ledger.recent_runs("drift_detection", 1)[0]
    assert "Không có sự kiện nào để so sánh." in owner.get(f"/console/runs/{run.run_id}").text


def test_the_timeline_tells_errors_and_reasons_in_vietnamese(owner, troubled):
    page = owner.get("/console/").text
    assert "quá thời hạn 60 giây" in page
    assert "lượt trước còn đang chạy (một lượt không do bộ lập lịch khởi động đang chạy)" in page
    assert "timed out" not in page


def test_drift_is_told_with_its_noise_bands_in_words_and_pictures(owner, troubled):
    page = owner.get("/console/data").text
    assert "Cửa hàng đã thay đổi: phân bố số sao lệch " in page
    assert "sự kiện có số sao trong mốc" in page
    drift = page.partition("Thay đổi so với mốc")[2].partition("</section>")[0]
    assert drift.count('class="noise"') == 3
    assert drift.count('class="threshold"') == 3
    assert drift.count("dải ngẫu nhiên") == 3
    owner.cookies.set("viecomrec_language", "en", path="/console")
    english = owner.get("/console/data").text
    assert "The shop has changed: ratings differ by" in english
    assert english.count("noise band") == 3


def test_another_model_is_deployed_and_rolled_back_with_the_answers_changing(owner):
    def answering():
        return owner.post("/recommend", json={"user_id": "u0"}).json()["model_id"]

    assert answering() == NEW_MODEL
    question = owner.get("/console/models/confirm", params={"model_id": OLD_MODEL}).text
    assert NEW_MODEL in question
    assert answering() == NEW_MODEL
    assert change(owner, "/models/deploy", model_id=OLD_MODEL).status_code == 200
    assert answering() == OLD_MODEL
    assert change(owner, "/models/deploy", rollback="yes").status_code == 200
    assert answering() == NEW_MODEL
    journal = owner.get("/console/models").text
    assert journal.count(OLD_MODEL) > 2


def test_an_unknown_model_is_not_deployed(owner):
    answer = change(owner, "/models/deploy", model_id="als_20000101_v1")
    assert answer.status_code == 409
    assert "als_20000101_v1" in answer.text


def test_a_test_alert_arrives(owner, installation):
    assert "sent=yes" in str(change(owner, "/alerts/test").url)
    assert '"pipeline_name": "console"' in installation.paths.alerts_file.read_text()


def test_an_installation_without_data_says_what_to_do(tmp_path):
    (tmp_path / "config").mkdir()
    with running_service(tmp_path) as client:
        client.follow_redirects = True
        client.post("/console/sign-in", data={"token": TOKEN})
        for path in ("/", "/jobs", "/runs", "/models", "/data", "/alerts"):
            assert client.get(f"/console{path}").status_code == 200, path
        assert "automation.data_refresh" in client.get("/console/").text
        assert "automation." in client.get("/console/try").text

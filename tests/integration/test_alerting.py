"""Alerts to a real SMTP server and a real webhook that fail, hang and recover."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import loopback
import pytest
from loopback import LoopbackService, running
from mailbox_server import running_mailbox

from viecomrec.bootstrap import Installation
from viecomrec.errors import AlertError, ConfigurationError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

START = datetime(2025, 1, 30, 2, tzinfo=UTC)
SECRET = "very-secret-password"


class Shop:
    """An installation whose clock the test sets; every call opens it anew, as a new process."""

    def __init__(self, root: Path, urls: dict[str, str]):
        self.root = root
        self.at = START
        config = {"channels": [{"name": name, "url": url} for name, url in urls.items()]}
        (root / "config").mkdir(exist_ok=True)
        file = root / "config" / "alerting.json"
        file.write_text(json.dumps(config), encoding="utf-8")

    @property
    def alerts(self):
        numbers = {"delivery_timeout_seconds": 1.5, "max_seconds": 5}
        return Installation(
            ProjectPaths(self.root), Settings(alerts=numbers), lambda: self.at
        ).alerts

    def pass_time(self, **span):
        self.at += timedelta(**span)

    def fail(self, message="CUDA out of memory"):
        self.alerts.send("model_training", "error", message, {"epoch": 10})


@pytest.fixture
def webhook():
    with running(LoopbackService()) as server:
        server.answer_hook = lambda _handler, _body: (200, {})
        yield server


@pytest.fixture
def hooked(tmp_path, webhook):
    port = webhook.url.rsplit(":", 1)[1]
    url = f"json://user:{SECRET}@127.0.0.1:{port}/hook?cto=1&rto=1"
    return Shop(tmp_path, {"webhook": url})


def arrived(webhook, *, refused=0):
    return [body["title"] for body in webhook.asked("/hook")[refused:]]


FAILED = "[VieComRec] model_training: error"
RECOVERED = "[VieComRec] model_training: recovered"


def test_pitfall_30_an_error_reaches_the_webhook(hooked, webhook):
    hooked.fail()
    body = webhook.asked("/hook")[0]
    assert body["title"] == FAILED
    assert "CUDA out of memory" in body["message"]
    assert "epoch: 10" in body["message"]


def test_an_email_arrives_with_its_vietnamese_intact(tmp_path):
    with running_mailbox() as mailbox:
        shop = Shop(tmp_path, {"mail": mailbox.url})
        shop.fail("Huấn luyện thất bại")
        assert [letter["subject"] for letter in mailbox.letters] == [FAILED]
        assert "Huấn luyện thất bại" in mailbox.letters[0].get_body().get_content()


def test_a_mail_server_that_refuses_and_hangs_gets_it_once_it_recovers(tmp_path):
    with running_mailbox() as mailbox:
        shop = Shop(tmp_path, {"mail": mailbox.url})
        mailbox.mode = "refuse"
        shop.fail()
        mailbox.mode = "hang"
        shop.pass_time(minutes=2)
        shop.alerts.deliver_due()
        assert mailbox.letters == []
        mailbox.mode = "accept"
        shop.pass_time(minutes=5)
        shop.alerts.deliver_due()
        shop.alerts.deliver_due()
        assert len(mailbox.letters) == 1


def test_a_webhook_that_fails_drops_and_hangs_gets_each_incident_once(hooked, webhook):
    stop = threading.Event()
    webhook.fault("/hook", loopback.status(500), loopback.drop, loopback.hang(stop))
    try:
        for _ in range(4):
            hooked.fail()
            hooked.pass_time(minutes=5)
    finally:
        stop.set()
    assert arrived(webhook, refused=3) == [FAILED]


def test_pitfall_30_500_failures_make_one_message_and_500_lines(hooked, webhook):
    alerts = hooked.alerts
    for _ in range(500):
        alerts.send("model_training", "error", "CUDA out of memory")
    assert arrived(webhook) == [FAILED]
    lines = (hooked.root / "logs" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 500


def test_pitfall_30_the_recovery_is_told_once(hooked, webhook):
    hooked.fail()
    hooked.alerts.resolve("model_training")
    hooked.alerts.resolve("model_training")
    assert arrived(webhook) == [FAILED, RECOVERED]


def test_an_incident_is_told_again_once_per_cool_down(hooked, webhook):
    for _ in range(25):
        hooked.fail()
        hooked.pass_time(minutes=5)
    assert arrived(webhook) == [FAILED] * 3


def test_a_target_down_for_six_hours_loses_nothing_and_floods_nobody(hooked, webhook):
    webhook.answer_hook = lambda _handler, _body: (503, {})
    for _ in range(12):
        hooked.fail()
        hooked.pass_time(minutes=30)
    hooked.alerts.resolve("model_training")
    tried = len(webhook.asked("/hook"))
    webhook.answer_hook = lambda _handler, _body: (200, {})
    hooked.pass_time(minutes=31)
    hooked.alerts.deliver_due()
    assert arrived(webhook, refused=tried) == [FAILED, FAILED, RECOVERED]
    assert "11 alerts so far" in webhook.asked("/hook")[tried + 1]["message"]


def test_a_dead_channel_does_not_keep_another_from_its_messages(tmp_path, webhook):
    port = webhook.url.rsplit(":", 1)[1]
    dead = loopback.unused_url().replace("http", "json")
    shop = Shop(tmp_path, {"dead": dead, "alive": f"json://127.0.0.1:{port}/hook"})
    for _ in range(3):
        shop.fail()
        shop.pass_time(minutes=61)
    assert arrived(webhook) == [FAILED] * 3


def test_a_message_that_the_channel_refuses_for_good_blocks_no_other(hooked, webhook, capfd):
    def pick(_handler, body):
        return (400, {}) if "drift_detection" in body["title"] else (200, {})

    webhook.answer_hook = pick
    hooked.alerts.send("drift_detection", "warning", "refused for ever")
    hooked.fail()
    assert arrived(webhook)[-1] == FAILED
    for _ in range(10):
        hooked.pass_time(minutes=61)
        hooked.alerts.deliver_due()
    assert hooked.alerts.undelivered() == 0
    assert "never this message" in "".join(capfd.readouterr())


def test_what_a_killed_process_had_claimed_is_delivered_after_its_hold(hooked, webhook):
    webhook.fault("/hook", loopback.status(500))
    hooked.fail()
    hooked.pass_time(minutes=2)
    store = hooked.alerts._tools.store
    assert store.claim_due(hooked.at, timedelta(minutes=1)) is not None
    assert hooked.alerts.deliver_due() == 0
    hooked.pass_time(minutes=2)
    assert hooked.alerts.deliver_due() == 1
    assert arrived(webhook, refused=1) == [FAILED]


def test_secrets_stand_in_no_log_and_no_file(hooked, webhook, capfd):
    webhook.fault("/hook", loopback.status(500))
    hooked.fail()
    hooked.pass_time(minutes=5)
    hooked.alerts.deliver_due()
    seen = "".join(capfd.readouterr())
    assert "webhook" in seen
    written = b"".join(
        file.read_bytes() for file in (hooked.root / "logs").rglob("*") if file.is_file()
    )
    assert SECRET not in seen
    assert SECRET.encode() not in written


def test_a_wrong_configuration_names_the_field_and_not_the_secret(tmp_path):
    shop = Shop(tmp_path, {})
    content = {"channels": [{"name": "a", "url": f"json://u:{SECRET}@h", "serverity": "x"}]}
    (tmp_path / "config" / "alerting.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="serverity") as caught:
        shop.fail()
    assert SECRET not in str(caught.value)


def test_alert_urls_of_the_environment_are_channels_too(tmp_path, webhook, monkeypatch):
    port = webhook.url.rsplit(":", 1)[1]
    monkeypatch.setenv("ALERT_URLS", f"json://127.0.0.1:{port}/hook")
    Shop(tmp_path, {}).fail()
    assert arrived(webhook) == [FAILED]


def test_a_damaged_store_is_set_aside_and_the_alert_still_arrives(hooked, webhook):
    hooked.fail()
    store = hooked.root / "logs" / "alerts.db"
    store.write_bytes(b"this is no database, but long enough to be taken for one" * 50)
    hooked.fail()
    assert arrived(webhook) == [FAILED, FAILED]
    assert store.with_name("alerts.db.damaged").exists()


def test_an_unknown_severity_is_refused_with_the_allowed_ones(hooked):
    with pytest.raises(AlertError, match=r"'fatal'.*info, warning, error"):
        hooked.alerts.send("x", "fatal", "m")
    assert not (hooked.root / "logs").exists()


def test_a_channel_added_while_the_process_lives_gets_the_next_message(hooked, webhook):
    alerts = hooked.alerts
    file = hooked.root / "config" / "alerting.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({"channels": []}), encoding="utf-8")
    alerts.send("data_refresh", "error", "nobody hears this")
    file.write_text(json.dumps(content), encoding="utf-8")
    alerts.send("model_training", "error", "CUDA out of memory")
    file.write_text("{", encoding="utf-8")
    alerts.send("model_deployment", "error", "the last good configuration stays")
    assert arrived(webhook) == [FAILED, "[VieComRec] model_deployment: error"]

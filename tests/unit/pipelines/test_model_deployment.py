"""The deployment against a real HTTP server on loopback that answers well or misbehaves."""

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import loopback
import numpy as np
import pytest
from loopback import LoopbackService, running, unused_url

from viecomrec.adapters.deployment_journal import DeploymentJournal
from viecomrec.adapters.registry import ModelStore, RegistryStore
from viecomrec.adapters.service_client import ServiceClient
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.registry import ModelRecord
from viecomrec.domain.results import Status
from viecomrec.domain.snapshots import GUIDE_FILES
from viecomrec.errors import ArtifactError, RegistryError, ServiceError
from viecomrec.pipelines import model_deployment
from viecomrec.pipelines.model_deployment import DeploymentRequest, DeploymentTools, Patience

A, B = "als_20250101_v1", "als_20250102_v1"
NOON = datetime(2025, 1, 30, 5, tzinfo=UTC)
HANOI = timezone(timedelta(hours=7))


@dataclass
class Shop:
    """An installation on disk with the models A and B, B chosen, and a service that serves A."""

    root: Path
    service: LoopbackService
    registry: RegistryStore
    models: ModelStore
    journal: DeploymentJournal

    def deploy(self, *, url=None, timeout_seconds=30.0, token=loopback.TOKEN, **request):
        tools = self.tools(url=url, timeout_seconds=timeout_seconds, token=token)
        return model_deployment.run(DeploymentRequest(**request), tools)

    def tools(self, *, url=None, timeout_seconds=30.0, token=loopback.TOKEN):
        self.slept = []
        return DeploymentTools(
            registry=self.registry,
            models=self.models,
            snapshots=SnapshotStore(
                self.root / "snapshots", self.root / "snapshots/current.json", self.root / "view"
            ),
            service=ServiceClient(
                url or self.service.url, token=token, timeout_seconds=timeout_seconds
            ),
            journal=self.journal,
            installation_id="here",
            now=lambda: NOON,
            zone=HANOI,
            sleep=self.slept.append,
            patience=Patience(attempts=3, wait_seconds=1.0, topk=2),
        )

    def states(self):
        return [(one.state.value, one.model_id, one.live_model_id) for one in self.journal.read()]


def save_model(models, model_id):
    ids = IdMap(("u0", "u1", "u2"), ("p0", "p1", "p2"))
    factors = Factors(np.ones((3, 2), np.float32), np.ones((3, 2), np.float32), ids)
    path = models.save(model_id, "als", factors, params={}, metrics={}, metadata={})
    return ModelRecord(
        model_id=model_id,
        model_type="als",
        path=path,
        created_at_utc=NOON.isoformat(),
        snapshot_version="s",
        above_popularity=True,
    )


@pytest.fixture
def shop(tmp_path):
    models = ModelStore(tmp_path / "cf")
    registry = RegistryStore(tmp_path / "cf" / "registry.json", lambda: NOON)
    for model_id in (A, B):
        record = save_model(models, model_id)
        registry.update(lambda listed, record=record: listed.with_model(record))
    registry.update(lambda listed: listed.confirm(A).promote(B))
    journal = DeploymentJournal(tmp_path / "deployment_history.jsonl")
    with running(LoopbackService(live=A, models=(A, B))) as service:
        yield Shop(tmp_path, service, registry, models, journal)


def test_pitfall_21_the_chosen_model_is_deployed_and_confirmed(shop):
    result = shop.deploy()
    assert (result.status, result.exit_code) == (Status.SUCCESS, 0)
    assert shop.service.live == B
    listed = shop.registry.read()
    assert (listed.deployed, listed.desired, listed.rollback_target) == (B, B, A)
    assert shop.states() == [("verifying", B, A), ("deployed", B, B)]
    assert shop.service.asked("/reload_model") == [{"model_id": B}]
    assert [body["user_id"] for body in shop.service.asked("/recommend")][:3] == ["u0", "u1", "u2"]


def test_timestamps_are_local_and_utc_lies_beside_them(shop):
    shop.deploy()
    last = shop.journal.read()[-1]
    assert last.timestamp == "2025-01-30T12:00:00"
    assert last.timestamp_utc == NOON


def test_what_is_deployed_already_is_skipped_with_a_word(shop):
    shop.deploy()
    shop.service.requests.clear()
    result = shop.deploy()
    assert (result.status, result.message) == (Status.SKIPPED, f"{B} is deployed already")
    assert shop.service.asked("/reload_model") == []
    assert len(shop.states()) == 2


def test_a_run_killed_before_its_last_line_is_proved_again_and_recorded(shop, monkeypatch):
    append = DeploymentJournal.append

    def die_at_the_last_line(journal, record):
        if record.state == "deployed":
            raise KeyboardInterrupt
        append(journal, record)

    monkeypatch.setattr(DeploymentJournal, "append", die_at_the_last_line)
    with pytest.raises(KeyboardInterrupt):
        shop.deploy()
    monkeypatch.undo()
    assert shop.registry.read().deployed == B
    shop.service.requests.clear()
    assert shop.deploy().status is Status.SUCCESS
    assert shop.service.asked("/reload_model") == []
    assert shop.states()[-1] == ("deployed", B, B)
    assert shop.journal.read()[-1].previous_model_id == A
    assert shop.deploy().status is Status.SKIPPED


def test_no_customer_is_named_where_people_read(shop):
    shop.service.known_users = {"u0", "u1"}
    result = shop.deploy()
    assert "Golden request 3 of 4 (a known user)" in result.message
    assert "u2" not in result.message + shop.journal.read()[-1].reason


def test_pitfall_21_a_model_may_be_named(shop):
    shop.registry.update(lambda listed: listed.confirm(B))
    shop.service.live = B
    assert shop.deploy(model_id=A).status is Status.SUCCESS
    assert shop.service.live == A


def test_rollback_twice_returns_to_the_first(shop):
    shop.deploy()
    assert shop.deploy(rollback=True).status is Status.SUCCESS
    assert shop.service.live == A
    assert shop.deploy(rollback=True).status is Status.SUCCESS
    assert shop.service.live == B
    assert shop.registry.read().rollback_target == A


def test_the_next_default_run_leaves_a_rollback_alone(shop):
    shop.deploy()
    shop.deploy(rollback=True)
    result = shop.deploy()
    assert result.status is Status.SKIPPED
    assert f"--model-id {B}" in result.message
    assert shop.service.live == A


def test_offline_leaves_the_deployment_pending_with_the_words_of_the_guide(shop):
    result = shop.deploy(url=unused_url())
    assert result.exit_code == 0
    shown = result.as_json()
    assert shown["status"] == "pending"
    assert shown["message"] == "Service offline, will deploy on startup"
    listed = shop.registry.read()
    assert (listed.desired, listed.deployed) == (B, A)
    assert shop.states() == [("pending", B, None)]


def test_the_run_after_a_pending_one_records_what_the_started_service_serves(shop):
    shop.deploy(url=unused_url())
    shop.service.live = B  # the service started and loaded what was desired
    assert shop.deploy().status is Status.SUCCESS
    assert shop.service.asked("/reload_model") == []
    assert shop.registry.read().deployed == B
    assert shop.registry.read().rollback_target == A


def test_a_rollback_left_pending_is_carried_out_by_the_next_run(shop):
    shop.deploy()
    shop.deploy(url=unused_url(), rollback=True)
    result = shop.deploy()
    assert (result.status, result.model_id, result.asked) == (Status.SUCCESS, A, "rollback")
    assert shop.service.live == A


def test_pitfall_11_a_model_that_answers_with_empty_lists_is_taken_back(shop):
    shop.service.empty_models = {B}
    result = shop.deploy()
    assert (result.status, result.exit_code) == (Status.ROLLED_BACK, 1)
    assert "an empty list" in result.message
    assert shop.service.live == A
    listed = shop.registry.read()
    assert (listed.deployed, listed.desired) == (A, A)
    assert shop.states() == [("verifying", B, A), ("rolled_back", B, A)]


def test_a_model_that_was_taken_back_is_not_tried_every_night(shop):
    shop.service.empty_models = {B}
    shop.deploy()
    shop.service.requests.clear()
    assert shop.deploy().status is Status.SKIPPED
    assert shop.service.asked("/reload_model") == []


def test_pitfall_10_a_known_user_must_get_a_personal_answer(shop):
    shop.service.known_users = {"u0"}
    result = shop.deploy()
    assert result.status is Status.ROLLED_BACK
    assert "known user" in result.message


def test_a_product_that_is_newer_than_the_model_is_no_problem(shop):
    def write_mappings(folder):
        mappings = {"user_to_idx": {"u0": 0}, "item_to_idx": {"p0": 0, "brand-new": 1}}
        (folder / "user_item_mappings.json").write_text(json.dumps(mappings), encoding="utf-8")
        for name in GUIDE_FILES:
            (folder / name).touch()

    view = shop.root / "view"
    store = SnapshotStore(shop.root / "snapshots", shop.root / "snapshots/current.json", view)
    store.publish(write_mappings, {}, NOON)
    shop.service.products = ["p0", "brand-new"]
    assert shop.deploy().status is Status.SUCCESS


def test_a_product_that_nobody_knows_is_a_problem(shop):
    shop.service.products = ["p0", "a-stranger"]
    result = shop.deploy()
    assert result.status is Status.ROLLED_BACK
    assert "'a-stranger', which the model does not know" in result.message


def test_a_lost_reply_is_resolved_by_reading_back_and_never_by_a_second_reload(shop):
    def reload_and_drop(handler):
        shop.service.live = B
        loopback.drop(handler)

    shop.service.fault("/reload_model", reload_and_drop)
    assert shop.deploy().status is Status.SUCCESS
    assert len(shop.service.asked("/reload_model")) == 1


def test_a_lost_reply_of_a_reload_that_never_happened_is_a_failure(shop):
    shop.service.fault("/reload_model", loopback.drop)
    result = shop.deploy()
    assert (result.status, result.exit_code) == (Status.FAILED, 1)
    assert f"The service serves {A}" in result.message
    assert len(shop.service.asked("/reload_model")) == 1
    assert len(shop.slept) == 2
    assert shop.registry.read().desired == A


def test_a_refused_token_is_failed_and_not_offline(shop):
    result = shop.deploy(token="a-token-of-another-shop")
    assert result.status is Status.FAILED
    assert "refused the token (401)" in result.message
    assert (shop.registry.read().desired, shop.service.live) == (A, A)
    assert shop.states()[-1] == ("failed", B, A)


def test_an_artifact_that_the_service_refuses_changes_nothing(shop):
    shop.service.fault("/reload_model", loopback.status(409, "V.npy was altered"))
    result = shop.deploy()
    assert result.status is Status.FAILED
    assert "V.npy was altered" in result.message
    assert shop.registry.read().desired == A


def test_a_service_of_another_installation_is_never_touched(shop):
    shop.service.installation_id = "there"
    with pytest.raises(ServiceError, match="belongs to installation there"):
        shop.deploy()
    assert shop.service.asked("/reload_model") == []
    assert shop.registry.read().desired == A
    assert shop.states() == [("failed", B, None)]


def test_html_in_place_of_the_service_is_failed(shop):
    shop.service.fault("/model_info", loopback.html)
    with pytest.raises(ServiceError, match="no JSON"):
        shop.deploy()
    assert shop.registry.read().desired == A


def test_a_service_that_accepts_and_hangs_is_failed_and_not_pending(shop):
    stop = threading.Event()
    shop.service.fault("/model_info", loopback.hang(stop))
    try:
        with pytest.raises(ServiceError, match="no reply within"):
            shop.deploy(timeout_seconds=0.3)
    finally:
        stop.set()
    assert shop.states() == [("failed", B, None)]


def test_a_service_that_goes_on_with_another_model_is_found_by_reading_back(shop):
    shop.service.fault("/reload_model", loopback.answer({"status": "success", "model_id": B}))
    result = shop.deploy()
    assert result.status is Status.FAILED
    assert f"it serves {A}" in result.message


def test_a_slow_worker_is_waited_for_a_bounded_time(shop):
    shop.service.fault("/model_info", lambda handler: _info(handler, A))
    shop.service.fault("/model_info", lambda handler: _info(handler, A))
    assert shop.deploy().status is Status.SUCCESS
    assert shop.slept == [1.0]


def test_every_worker_must_have_followed(shop):
    shop.service.info = {"workers_agree": False}
    result = shop.deploy()
    assert result.status is Status.FAILED
    assert "not every worker does" in result.message


def _info(handler, model_id):
    content = {"model_id": model_id, "installation_id": "here", "status": "ok"}
    loopback.send_json(handler, 200, content)


def test_when_the_way_back_fails_too_both_reasons_are_told(shop):
    shop.service.empty_models = {B}

    def reload_once(handler):
        shop.service.live = B
        loopback.send_json(handler, 200, {"status": "success"})

    shop.service.fault("/reload_model", reload_once, loopback.status(409, "A is damaged"))
    result = shop.deploy()
    assert result.status is Status.FAILED
    assert "an empty list" in result.message
    assert "A is damaged" in result.message
    assert f"The service serves {B}" in result.message
    assert shop.states()[-1] == ("failed", B, B)


def test_a_first_deployment_that_fails_has_nothing_to_return_to_and_says_so(shop):
    shop.registry.update(
        lambda listed: listed.model_copy(update={"deployed": None, "rollback_target": None})
    )
    shop.service.live = None
    shop.service.empty_models = {B}
    result = shop.deploy()
    assert result.status is Status.FAILED
    assert shop.registry.read().desired is None


@pytest.mark.parametrize("damage", ["flip", "remove", "nan"])
def test_a_damaged_model_never_reaches_the_service(shop, damage):
    file = shop.root / "cf" / "als" / B / "V.npy"
    if damage == "flip":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "remove":
        file.unlink()
    else:
        np.save(file, np.full((3, 2), np.nan, np.float32))
    with pytest.raises(ArtifactError, match=B):
        shop.deploy()
    assert shop.service.requests == []
    assert shop.states() == [("failed", B, None)]


def test_an_unknown_model_is_refused_before_anything_happens(shop):
    with pytest.raises(RegistryError, match="not in the registry"):
        shop.deploy(model_id="als_19990101_v1")
    assert shop.service.requests == []


def test_pitfall_17_a_dry_run_changes_no_byte(shop):
    before = contents(shop.root)
    result = shop.deploy(dry_run=True)
    assert result.message == f"Would deploy {B} in place of {A}"
    assert contents(shop.root) == before
    assert shop.service.asked("/reload_model") == []
    assert shop.deploy(dry_run=True, url=unused_url()).live_model_id is None
    assert contents(shop.root) == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_interrupted_deployment_is_finished_by_the_next_run(shop):
    def reload_and_kill(handler):
        shop.service.live = B
        raise_in_client(handler)

    def raise_in_client(handler):
        loopback.send_json(handler, 200, {"status": "success"})

    shop.service.fault("/reload_model", reload_and_kill)
    shop.service.fault("/recommend", loopback.drop)
    shop.deploy()  # taken back: the golden request was lost
    assert shop.service.live == A
    # A process killed between reload and record leaves B live and A confirmed.
    shop.service.live = B
    shop.registry.update(lambda listed: listed.desire(B))
    assert shop.deploy(model_id=B).status is Status.SUCCESS
    assert shop.registry.read().deployed == B


def traffic(n_requests=1000, n_errors=0):
    return {"n_requests": n_requests, "n_errors": n_errors, "n_empty": 0, "latency_ms_p95": 5.0}


def test_a_deployment_whose_answers_get_worse_is_taken_back_once_and_blocked(shop):
    shop.service.info = {"traffic": traffic()}
    shop.deploy()
    assert shop.journal.read()[-1].traffic_before.n_requests == 1000
    assert not model_deployment.needs_taking_back(shop.tools())
    shop.service.info = {"traffic": traffic(n_errors=200)}
    result = model_deployment.watch(shop.tools())
    assert (result.status, result.exit_code) == (Status.ROLLED_BACK, 1)
    assert "errors: 20.0% instead of 0.0%" in result.message
    assert shop.service.live == A
    assert (shop.registry.read().deployed, shop.registry.read().desired) == (A, A)
    assert shop.states()[-1] == ("rolled_back", B, A)
    assert model_deployment.watch(shop.tools()).status is Status.SKIPPED
    assert shop.deploy().status is Status.SKIPPED
    assert shop.service.live == A


def test_the_watch_is_not_misled_by_another_models_traffic(shop):
    shop.service.info = {"traffic": traffic()}
    shop.deploy()
    shop.service.live = A
    shop.service.info = {"traffic": traffic(n_errors=900)}
    assert not model_deployment.needs_taking_back(shop.tools())


def test_a_customer_who_has_everything_is_no_fault_of_the_model(shop):
    def nothing_new(_handler, body):
        items = [] if body["exclude_seen"] else [{"product_id": "p0", "score": 1.0}]
        is_fallback = body["user_id"] not in {"u0", "u1", "u2"}
        return 200, {"model_id": shop.service.live, "is_fallback": is_fallback, "items": items}

    shop.service.answer_recommend = nothing_new
    assert shop.deploy().status is Status.SUCCESS

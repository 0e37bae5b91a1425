"""Section 3 of the guide, line by line: the command, its flags, its flow, its messages."""

import json

import doors
import loopback
import pytest
from installation import NEW_MODEL, OLD_MODEL, product_ids, write_installation
from loopback import LoopbackService, running


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path, desired=OLD_MODEL)
    installation.registry.update(lambda one: one.confirm(OLD_MODEL).promote(NEW_MODEL))
    installation.paths.installation_file.write_text('{"installation_id": "here"}')
    return installation


@pytest.fixture
def service():
    with running(LoopbackService(live=OLD_MODEL, models=(OLD_MODEL, NEW_MODEL))) as served:
        served.products = product_ids()[:5]
        yield served


def model_deployment(shop, *flags, url=None):
    extra = {"SERVICE_URL": url} if url else {}
    secrets = {"VIECOMREC_ADMIN_TOKEN": loopback.TOKEN}
    return doors.run("model_deployment", *flags, project=shop.paths.root, **secrets, **extra)


def test_online_triggers_a_reload_verifies_and_records(shop, service):
    answer = model_deployment(shop, url=service.url)
    assert (answer.code, answer.result["status"]) == (0, "success"), answer
    assert service.asked("/reload_model") == [{"model_id": NEW_MODEL}]
    assert shop.registry.read().deployed == NEW_MODEL
    journal = shop.paths.deployment_journal_file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["state"] for line in journal] == ["verifying", "deployed"]
    assert shop.ledger.recent_runs()[0].pipeline_name == "model_deployment"


def test_offline_updates_the_registry_and_records_pending(shop):
    answer = model_deployment(shop)
    assert answer.code == 0
    assert answer.result["status"] == "pending"
    assert answer.result["message"] == "Service offline, will deploy on startup"
    assert shop.registry.read().desired == NEW_MODEL
    assert json.loads(shop.paths.deployment_journal_file.read_text())["state"] == "pending"


def test_rollback_to_the_previous_model(shop, service):
    model_deployment(shop, url=service.url)
    answer = model_deployment(shop, "--rollback", url=service.url)
    assert (answer.code, answer.result["model_id"]) == (0, OLD_MODEL)
    assert service.live == OLD_MODEL


def test_deploy_a_specific_model(shop, service):
    answer = model_deployment(shop, "--model-id", NEW_MODEL, url=service.url)
    assert (answer.code, service.live) == (0, NEW_MODEL)
    unknown = model_deployment(shop, "--model-id", "als_20250129_v1", url=service.url)
    assert (unknown.code, unknown.result["status"]) == (1, "failed")
    assert "als_20250129_v1" in unknown.result["message"]


def test_dry_run_only_shows_the_plan(shop, service):
    before = {file: file.read_bytes() for file in shop.paths.root.rglob("*") if file.is_file()}
    answer = model_deployment(shop, "--dry-run", url=service.url)
    assert (answer.code, answer.result["dry_run"]) == (0, True)
    assert answer.result["message"] == f"Would deploy {NEW_MODEL} in place of {OLD_MODEL}"
    after = {file: file.read_bytes() for file in shop.paths.root.rglob("*") if file.is_file()}
    assert after == before


def test_a_failed_verification_is_rolled_back_with_exit_code_1_and_an_alert(shop, service):
    service.empty_models = {NEW_MODEL}
    answer = model_deployment(shop, url=service.url)
    assert (answer.code, answer.result["status"]) == (1, "rolled_back")
    assert service.live == OLD_MODEL
    alert = json.loads(shop.paths.alerts_file.read_text(encoding="utf-8"))
    assert (alert["pipeline_name"], alert["severity"]) == ("model_deployment", "error")


def test_a_second_run_at_the_same_time_is_skipped(shop):
    with shop.lock("model_deployment"):
        answer = model_deployment(shop)
    assert (answer.code, answer.result) == (
        0,
        {"status": "skipped", "message": "Already running"},
    )


def test_wrong_arguments_are_exit_code_2(shop):
    process = doors.start(
        "model_deployment", "--rollback", "--model-id", "x", project=shop.paths.root
    )
    process.communicate(timeout=60)
    assert process.returncode == 2

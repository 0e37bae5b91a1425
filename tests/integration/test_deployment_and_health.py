"""The doors against a real service: deploy, roll back, look, with real processes."""

import doors
import pytest
from installation import NEW_MODEL, OLD_MODEL, TOKEN, write_installation
from loopback import unused_url
from server import start_service


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path, desired=OLD_MODEL)
    installation.registry.update(lambda listed: listed.confirm(OLD_MODEL).promote(NEW_MODEL))
    return installation


@pytest.fixture
def service_url(shop):
    process, url = start_service(shop.paths.root)
    yield url
    process.terminate()
    process.wait(timeout=60)


def door(shop, url, module, *flags, token=TOKEN):
    """Run a door as a process of its own; its exit code and its JSON object."""
    secrets = {"SERVICE_URL": url, "VIECOMREC_ADMIN_TOKEN": token}
    answer = doors.run(module, *flags, project=shop.paths.root, **secrets)
    return answer.code, answer.result


def test_deploy_roll_back_twice_and_look(shop, service_url):
    code, deployed = door(shop, service_url, "model_deployment")
    assert (code, deployed["status"], deployed["model_id"]) == (0, "success", NEW_MODEL), deployed
    code, again = door(shop, service_url, "model_deployment")
    assert (code, again["status"]) == (0, "skipped")
    code, back = door(shop, service_url, "model_deployment", "--rollback")
    assert (code, back["model_id"]) == (0, OLD_MODEL), back
    code, forth = door(shop, service_url, "model_deployment", "--rollback")
    assert (code, forth["model_id"]) == (0, NEW_MODEL), forth
    assert shop.registry.read().deployed == NEW_MODEL

    code, health = door(shop, service_url, "health_check", "--component", "service")
    assert (code, health["overall_status"]) == (0, "healthy"), health


def test_a_wrong_token_is_failed_and_not_pending(shop, service_url):
    code, refused = door(shop, service_url, "model_deployment", token="another-token-0123456789")
    assert (code, refused["status"]) == (1, "failed")
    assert "401" in refused["message"]
    assert shop.registry.read().desired == OLD_MODEL


def test_a_pending_model_is_loaded_at_the_next_start_and_then_confirmed(shop):
    code, pending = door(shop, unused_url(), "model_deployment")
    assert (code, pending["status"]) == (0, "pending")
    process, url = start_service(shop.paths.root)
    try:
        code, settled = door(shop, url, "model_deployment")
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert (code, settled["status"], settled["model_id"]) == (0, "success", NEW_MODEL), settled
    listed = shop.registry.read()
    assert (listed.deployed, listed.rollback_target) == (NEW_MODEL, OLD_MODEL)


def test_the_service_of_another_shop_is_never_touched(shop, service_url, tmp_path_factory):
    stranger = write_installation(tmp_path_factory.mktemp("stranger"))
    stranger.registry.update(lambda listed: listed.promote(NEW_MODEL))
    code, refused = door(stranger, service_url, "model_deployment")
    assert (code, refused["status"]) == (1, "failed")
    assert "belongs to installation" in refused["message"]
    _, health = door(shop, service_url, "health_check", "--component", "service")
    assert health["overall_status"] != "critical"

"""The health check on a small real installation and a real HTTP server on loopback."""

import json
from datetime import timedelta

import pytest
from installation import NEW_MODEL, NOW, write_installation
from loopback import LoopbackService, html, running, unused_url

from viecomrec.bootstrap import Installation
from viecomrec.domain.results import Status
from viecomrec.pipelines import health_check
from viecomrec.pipelines.health_check import COMPONENTS


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path)
    installation.registry.update(lambda registry: registry.confirm(NEW_MODEL).promote(NEW_MODEL))
    write_installation_id(installation)
    return installation


def write_installation_id(installation):
    installation.paths.installation_file.write_text('{"installation_id": "here"}', encoding="utf-8")


@pytest.fixture
def service():
    with running(LoopbackService(live=NEW_MODEL, models=(NEW_MODEL,))) as served:
        yield served


def check(installation, url, components=COMPONENTS, *, now=NOW, alert=False):
    settings = installation.settings.model_copy(update={"service_url": url})
    fresh = Installation(installation.paths, settings, lambda: now)
    return health_check.run(components, fresh.health_tools(), alert=alert)


def found(result, component, name):
    checks = result.as_json()["components"][component]["checks"]
    return next(one for one in checks if one["name"].split(":")[0] == name)


def test_a_whole_installation_is_healthy(shop, service):
    result = check(shop, service.url)
    assert result.as_json()["overall_status"] == "healthy", result.as_json()
    assert (result.status, result.exit_code) == (Status.HEALTHY, 0)
    assert list(result.as_json()["components"]) == ["service", "data", "models", "pipelines"]


def test_a_service_that_is_down_is_critical(shop):
    result = check(shop, unused_url())
    assert (result.status, result.exit_code) == (Status.CRITICAL, 1)
    assert found(result, "service", "api")["action"] == "Start it: viecomrec serve"
    assert result.as_json()["components"]["data"]["status"] == "healthy"


def test_another_program_at_the_address_is_critical(shop, service):
    service.fault("/health", html)
    assert "no JSON" in found(check(shop, service.url), "service", "api")["found"]


def test_pitfall_11_a_service_that_says_healthy_and_answers_nothing_is_critical(shop, service):
    service.empty_models = {NEW_MODEL}
    result = check(shop, service.url)
    assert result.status is Status.CRITICAL
    assert found(result, "service", "answers")["found"] == "an empty list"


def test_only_the_named_component_is_checked(shop):
    result = check(shop, unused_url(), ["models"])
    assert list(result.as_json()["components"]) == ["models"]
    assert result.status is Status.HEALTHY


def test_stale_data_is_a_warning(shop, service):
    result = check(shop, service.url, now=NOW + timedelta(days=8))
    assert (result.status, result.exit_code) == (Status.WARNING, 0)
    assert found(result, "data", "freshness")["action"] == "python -m automation.data_refresh"
    assert found(result, "data", "embeddings")["status"] == "warning"


def test_altered_data_is_critical(shop, service):
    snapshot = shop.snapshots.require_current()
    file = snapshot.folder / "data_stats.json"
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content.replace(b"n_users", b"n_losers"[:7]))
    result = check(shop, service.url, ["data"])
    assert result.status is Status.CRITICAL
    assert "data_stats.json" in found(result, "data", "files")["found"]


def test_missing_data_is_critical(tmp_path):
    (tmp_path / "config").mkdir()
    empty = write_installation(tmp_path / "other")
    empty.paths.snapshot_pointer.unlink()
    assert found(check(empty, unused_url(), ["data"]), "data", "files")["status"] == "critical"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 99}'])
def test_a_registry_that_cannot_be_read_is_critical_and_named(shop, content):
    shop.paths.registry_file.write_text(content, encoding="utf-8")
    result = check(shop, unused_url(), ["models"])
    assert result.status is Status.CRITICAL
    assert "registry.json" in found(result, "models", "registry")["found"]


def test_a_registry_that_points_at_a_missing_model_is_critical(shop):
    listed = json.loads(shop.paths.registry_file.read_text(encoding="utf-8"))
    listed["deployed"] = "als_19990101_v1"
    shop.paths.registry_file.write_text(json.dumps(listed), encoding="utf-8")
    result = check(shop, unused_url(), ["models"])
    assert result.status is Status.CRITICAL
    assert "als_19990101_v1" in json.dumps(result.as_json())


def test_a_bit_flip_in_the_deployed_model_is_found(shop):
    file = shop.models.folder("als", NEW_MODEL) / "V.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    result = check(shop, unused_url(), ["models"])
    assert result.status is Status.CRITICAL
    assert "altered after training" in found(result, "models", "artifact")["found"]


def test_a_pipeline_that_fails_half_of_the_time_is_a_warning(shop):
    for outcome in (shop.ledger.complete_run, shop.ledger.fail_run):
        outcome(
            shop.ledger.start_run("data_refresh", {}),
            *(["x"] if outcome == shop.ledger.fail_run else [{}]),
        )
    result = check(shop, unused_url(), ["pipelines"])
    assert result.status is Status.WARNING
    assert found(result, "pipelines", "success_rate")["found"] == "1 of 2 runs succeeded"


def test_its_own_failed_runs_do_not_count(shop):
    for _ in range(3):
        shop.ledger.fail_run(shop.ledger.start_run("health_check", {}), "x")
    assert check(shop, unused_url(), ["pipelines"]).status is Status.HEALTHY


def alerts(installation):
    file = installation.paths.alerts_file
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [(one["severity"], one["details"].get("incident")) for one in map(json.loads, lines)]


def test_alerts_go_out_only_where_asked_for_and_only_on_trouble(shop, service):
    check(shop, service.url, alert=True)
    check(shop, unused_url(), ["service"])
    assert alerts(shop) == []
    check(shop, unused_url(), ["service"], alert=True)
    assert alerts(shop) == [("error", "service/api")]


def test_pitfall_30_a_check_that_is_well_again_ends_its_incident(shop, service):
    check(shop, unused_url(), ["service"], alert=True)
    check(shop, service.url, ["service"], alert=True)
    check(shop, service.url, ["service"], alert=True)
    assert alerts(shop) == [("error", "service/api"), ("info", "service/api")]


def test_a_check_that_another_trouble_hides_is_not_called_well(shop, service):
    service.empty_models = {NEW_MODEL}
    check(shop, service.url, ["service"], alert=True)
    check(shop, unused_url(), ["service"], alert=True)
    assert alerts(shop) == [("error", "service/answers"), ("error", "service/api")]
    service.empty_models = set()
    check(shop, service.url, ["service"], alert=True)
    assert sorted(alerts(shop)[2:]) == [("info", "service/answers"), ("info", "service/api")]

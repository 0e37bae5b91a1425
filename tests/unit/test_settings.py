import json

import pytest

from viecomrec.errors import ConfigurationError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings, load_settings


@pytest.fixture
def paths(tmp_path, monkeypatch):
    for name in ("TZ", "SERVICE_URL", "VIECOMREC_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").mkdir()
    return ProjectPaths(tmp_path)


def write(paths: ProjectPaths, content: object) -> None:
    paths.settings_file.write_text(json.dumps(content), encoding="utf-8")


def test_the_guides_defaults_hold_without_any_file(paths):
    settings = load_settings(paths)
    assert settings.service_url == "http://localhost:8000"
    assert str(settings.zone()) == "UTC"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(paths, monkeypatch):
    write(paths, {"refresh": {"incremental_limit": 50, "max_bad_share": 0.5}})
    monkeypatch.setenv("VIECOMREC_REFRESH__INCREMENTAL_LIMIT", "7")
    settings = load_settings(paths)
    assert settings.refresh.incremental_limit == 7
    assert settings.refresh.max_bad_share == 0.5


def test_a_typing_error_in_the_file_is_named(paths):
    write(paths, {"refresh": {"incremental_limt": 50}})
    with pytest.raises(ConfigurationError, match=r"refresh\.incremental_limt"):
        load_settings(paths)


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_settings_file_that_is_no_json_object_is_refused_with_its_name(paths, text):
    paths.settings_file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"settings\.json"):
        load_settings(paths)


def test_tz_wins_over_the_configured_zone_and_the_configured_zone_over_utc(paths, monkeypatch):
    assert str(load_settings(paths).zone("Asia/Ho_Chi_Minh")) == "Asia/Ho_Chi_Minh"
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert str(load_settings(paths).zone("Asia/Ho_Chi_Minh")) == "Europe/Berlin"


@pytest.mark.parametrize("name", ["Asia/Hanoi", "../etc/passwd", "ICT+7"])
def test_a_zone_that_does_not_exist_stops_the_start(name):
    with pytest.raises(ConfigurationError, match="Asia/Ho_Chi_Minh"):
        Settings().zone(name)


def test_a_refused_secret_is_never_repeated_in_the_message(paths):
    write(paths, {"admin_tokn": "s3cret", "alerts": {"urls": 3, "url": "mailto://u:s3cret@x"}})
    with pytest.raises(ConfigurationError) as refused:
        load_settings(paths)
    assert "admin_tokn" in str(refused.value)
    assert "s3cret" not in str(refused.value)

import pytest

from viecomrec.adapters.installation_id import InstallationId
from viecomrec.errors import ConfigurationError


def test_an_installation_keeps_its_id(tmp_path):
    first = InstallationId(tmp_path / "installation.json").ensure()
    assert InstallationId(tmp_path / "installation.json").ensure() == first
    assert InstallationId(tmp_path / "installation.json").read() == first


def test_two_installations_have_different_ids(tmp_path):
    ids = {InstallationId(tmp_path / name / "installation.json").ensure() for name in "ab"}
    assert len(ids) == 2


def test_reading_creates_nothing(tmp_path):
    assert InstallationId(tmp_path / "installation.json").read() is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "installation.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"installation\.json is damaged"):
        InstallationId(tmp_path / "installation.json").ensure()

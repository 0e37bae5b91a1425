import os

import pytest

from viecomrec.adapters.admin_token import AdminToken
from viecomrec.errors import ConfigurationError


def test_the_token_is_created_once_and_read_by_everybody(tmp_path):
    token = AdminToken(tmp_path / "admin_token").ensure()
    assert len(token) >= 32
    assert AdminToken(tmp_path / "admin_token").ensure() == token
    assert AdminToken(tmp_path / "admin_token").read() == token


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_nobody_else_may_read_the_token_file(tmp_path):
    AdminToken(tmp_path / "admin_token").ensure()
    assert (tmp_path / "admin_token").stat().st_mode & 0o777 == 0o600


def test_a_configured_token_wins_and_no_file_is_written(tmp_path):
    token = AdminToken(tmp_path / "admin_token", "configured-by-the-shop")
    assert token.ensure() == "configured-by-the-shop"
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_token_before_the_first_start(tmp_path):
    assert AdminToken(tmp_path / "admin_token").read() is None


@pytest.mark.parametrize("weak", ["", "short", "khách hàng thân thiết", "x" * 20 + "\n"])
def test_a_weak_token_is_refused_with_what_to_do(tmp_path, weak):
    with pytest.raises(ConfigurationError, match="VIECOMREC_ADMIN_TOKEN must hold at least 16"):
        AdminToken(tmp_path / "admin_token", weak).read()

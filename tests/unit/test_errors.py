import errno

import pytest

from viecomrec.errors import disk_full


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_and_a_quota_are_full_in_every_language(number):
    assert "automation.cleanup" in disk_full(OSError(number, "Không còn chỗ"))


def test_other_errors_are_no_full_disk():
    assert disk_full(OSError(errno.EACCES, "Permission denied")) is None
    assert disk_full(ValueError("2 columns")) is None

import hashlib
import os
import time

import pytest

from viecomrec.adapters import atomic_files
from viecomrec.adapters.file_hashes import FileHashes


@pytest.fixture
def file(tmp_path):
    return written(tmp_path / "export.csv", "một")


def written(path, text, seconds_ago=60):
    path.write_text(text, encoding="utf-8")
    at = time.time() - seconds_ago
    os.utime(path, (at, at))
    return path


@pytest.fixture
def settled(monkeypatch):
    """The instant of the last change of an inode cannot be set, so time itself moves on."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 60_000_000_000)


@pytest.fixture
def readings(monkeypatch):
    made = []
    real = atomic_files.sha256
    monkeypatch.setattr(atomic_files, "sha256", lambda path: (made.append(path), real(path))[1])
    return made


def true_hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("settled")
def test_an_untouched_file_is_read_once(tmp_path, file, readings):
    hashes = FileHashes(tmp_path / "cache" / "hashes.json")
    found = [hashes.sha256(file, remember=True) for _ in range(3)]
    assert found == [true_hash(file)] * 3
    assert len(readings) == 1


@pytest.mark.usefixtures("settled")
def test_another_content_of_the_same_size_and_time_is_noticed(tmp_path, file):
    hashes = FileHashes(tmp_path / "hashes.json")
    hashes.sha256(file, remember=True)
    before = file.stat()
    file.write_text("hai", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashes.sha256(file, remember=True) == true_hash(file)


def test_a_file_that_was_touched_just_now_is_not_remembered(tmp_path, readings):
    file = written(tmp_path / "export.csv", "một", seconds_ago=0)
    hashes = FileHashes(tmp_path / "hashes.json")
    for _ in range(2):
        hashes.sha256(file, remember=True)
    assert len(readings) == 2


@pytest.mark.usefixtures("settled")
def test_nothing_is_written_unless_asked_and_a_damaged_record_costs_a_reading(tmp_path, file):
    record = tmp_path / "hashes.json"
    assert FileHashes(record).sha256(file, remember=False) == true_hash(file)
    assert not record.exists()
    record.write_text("{", encoding="utf-8")
    assert FileHashes(record).sha256(file, remember=True) == true_hash(file)

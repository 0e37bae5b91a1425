import os
import threading
import time
from pathlib import Path

import pytest

from viecomrec.adapters import atomic_files


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    file = tmp_path / "state.json"
    atomic_files.write_json(file, {"version": 1})
    with pytest.raises(ValueError, match="Out of range"):
        atomic_files.write_json(file, {"version": float("nan")})
    assert file.read_text(encoding="utf-8") == '{\n  "version": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_vietnamese_stays_readable(tmp_path):
    atomic_files.write_json(tmp_path / "a.json", {"tên": "Sữa rửa mặt"})
    assert "Sữa rửa mặt" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_a_new_folder_appears_as_a_whole_or_not_at_all(tmp_path):
    final = tmp_path / "model"

    def write_half() -> None:
        with atomic_files.new_folder(final) as folder:
            (folder / "U.npy").write_bytes(b"half")
            (folder / "no such folder" / "V.npy").write_bytes(b"")

    with pytest.raises(FileNotFoundError):
        write_half()
    assert list(tmp_path.iterdir()) == []
    with atomic_files.new_folder(final) as folder:
        (folder / "U.npy").write_bytes(b"whole")
        assert not final.exists()
    assert (final / "U.npy").read_bytes() == b"whole"


def test_an_existing_folder_is_never_rewritten(tmp_path):
    final = tmp_path / "snapshot"
    for content in (b"first", b"second"):
        with atomic_files.new_folder(final) as folder:
            (folder / "file").write_bytes(content)
    assert (final / "file").read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [final]


def test_lines_of_several_writers_never_mix(tmp_path):
    file = tmp_path / "log.jsonl"
    lines = [letter * 20_000 for letter in "abcd"]

    def write(line: str) -> None:
        for _ in range(50):
            atomic_files.append_line(file, line)

    threads = [threading.Thread(target=write, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = file.read_text(encoding="utf-8").splitlines()
    assert sorted(written) == sorted(line for line in lines for _ in range(50))


def test_leftovers_of_killed_writers_are_swept_and_young_ones_are_not(tmp_path):
    old, young, other = (tmp_path / name for name in (".a.1.ff.tmp", ".b.2.ff.tmp", "c.tmp"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
    hours_ago = time.time() - 2 * 3600
    for folder in (old, other):
        os.utime(folder, (hours_ago, hours_ago))
    atomic_files.sweep_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == [young, other]


def test_a_rename_waits_for_a_reader_that_windows_lets_stand_in_the_way(tmp_path, monkeypatch):
    refusals = iter([PermissionError("in use"), PermissionError("in use"), None])
    really = Path.replace

    def replace(source, target):
        refusal = next(refusals)
        if refusal:
            raise refusal
        return really(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(atomic_files, "WINDOWS_WAITS", (0, 0, 0))
    atomic_files.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"


def test_a_rename_that_is_refused_for_good_is_an_error(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError("in use")

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(atomic_files, "WINDOWS_WAITS", (0, 0))
    with pytest.raises(PermissionError):
        atomic_files.write_text(tmp_path / "file", "new")
    assert list(tmp_path.iterdir()) == []

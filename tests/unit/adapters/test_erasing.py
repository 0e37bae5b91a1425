"""A person is taken out of a table, and every other record keeps its bytes."""

import gzip
import os
import stat
import tracemalloc
from datetime import UTC, datetime

import pytest

from viecomrec.adapters import erasing
from viecomrec.adapters.erasing import erase_from_table
from viecomrec.adapters.raw_files import open_table
from viecomrec.domain.contracts import REVIEWS
from viecomrec.domain.erasure import UpTo
from viecomrec.errors import InputError
from viecomrec.service.console.messages import twin_of
from viecomrec.service.console.words import Language

HEADER = "note,user_id,product_id,rating,cmt_date,comment\r\n"
OTHERS = [
    'a,u2,p1,5,2025-03-01,"nói ""tô\u0301t""\r\n u1 khen\nhai do\u0300ng"\r\n',
    "u1,u11,p1,5,2025-03-01,tô\u0301t\n",
    "\r\n",
    'x,"u,1",p1,5,2025-03-02,\x0b\x85\r\n',
]
THEIRS = ['b, u1 ,p1,5,2025-03-01,"hai\r\n\r\ndo\u0300ng"\r\n', 'c,"u1",p2,4,2025-04-01,mua\rnua\n']
ENCODINGS = {"utf-8": "utf-8", "mark": "utf-8", "utf-16": "utf-16", "cp1258": "cp1258"}


def written(tmp_path, name, records):
    """The file, and its content."""
    text = ("\ufeff" if name == "mark" else "") + HEADER + "".join(records)
    content = text.replace("\x85", "" if name == "cp1258" else "\u2028").encode(ENCODINGS[name])
    path = tmp_path / "reviews.csv"
    path.write_bytes(content)
    return path, content


def erase(path, user, encoding="utf-8", until=None):
    named = encoding if encoding == "cp1258" else None
    return erase_from_table(
        path, open_table(path, REVIEWS, {}, encoding=named), encoding, user, until
    )


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("name", ENCODINGS)
def test_every_other_record_keeps_its_bytes(tmp_path, name, is_packed):
    mixed = [OTHERS[0], THEIRS[0], OTHERS[1], OTHERS[2], THEIRS[1], OTHERS[3]]
    _, expected = written(tmp_path, name, OTHERS)
    path, content = written(tmp_path, name, mixed)
    if is_packed:
        path.write_bytes(gzip.compress(content))
    assert erase(path, "u1", ENCODINGS[name]) == 2
    found = path.read_bytes()
    assert (gzip.decompress(found) if is_packed else found) == expected
    assert [file.name for file in tmp_path.iterdir()] == ["reviews.csv"]
    assert erase(path, "u1", ENCODINGS[name]) == 0
    assert path.read_bytes() == found
    if is_packed:
        assert found[3:8] == bytes(5)  # neither a name nor a time, so equal texts stay equal


def test_an_id_with_a_quote_in_it_is_found(tmp_path):
    path, _ = written(tmp_path, "utf-8", [OTHERS[0], 'b,"u""1",p1,5,2025-03-01,x\n'])
    assert erase(path, 'u"1') == 1


def test_a_comment_longer_than_the_bound_of_python_is_no_obstacle(tmp_path):
    long = f"b,u1,p1,5,2025-03-01,{'tốt ' * 250_000}\n"
    _, content = written(tmp_path, "utf-8", [OTHERS[0]])
    path, _ = written(tmp_path, "utf-8", [OTHERS[0], long])
    assert erase(path, "u1") == 1
    assert path.read_bytes() == content


def test_later_deeds_stay_by_the_format_of_the_whole_column(tmp_path):
    rows = [f"a,u2,p1,5,{day}/03/2025,x\n" for day in range(13, 20)]
    earlier, later = "b,u1,p1,5,01/03/2025,x\n", "b,u1,p1,5,03/04/2025,x\n"
    odd = "b,u1,p1,5,2025-12-01,x\n"
    _, content = written(tmp_path, "utf-8", [*rows, later])
    path, _ = written(tmp_path, "utf-8", [*rows, earlier, later, odd])
    until = UpTo(datetime(2025, 4, 1, tzinfo=UTC), "UTC")
    assert erase(path, "u1", until=until) == 2
    assert path.read_bytes() == content


def test_a_large_file_is_never_held_as_a_whole(tmp_path):
    path, _ = written(tmp_path, "utf-8", [OTHERS[0], THEIRS[0], *OTHERS[1:2] * 100_000])
    table = open_table(path, REVIEWS, {})
    tracemalloc.start()
    try:
        assert erase_from_table(path, table, "utf-8", "u1") == 1
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 4
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_while_it_is_read_stays_as_it_is(tmp_path, monkeypatch):
    path, _ = written(tmp_path, "utf-8", [THEIRS[0], OTHERS[0]])
    find = erasing._records_of_user

    def find_and_grow(*arguments):
        found = find(*arguments)
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(OTHERS[1])
        return found

    monkeypatch.setattr(erasing, "_records_of_user", find_and_grow)
    with pytest.raises(InputError, match=r"changed while it was read\. Erase again") as error:
        erase(path, "u1")
    assert twin_of(str(error.value), Language.VI)
    assert path.read_bytes().decode() == HEADER + THEIRS[0] + OTHERS[0] + OTHERS[1]
    assert [file.name for file in tmp_path.iterdir()] == ["reviews.csv"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("mode", [0o600, 0o440])
def test_a_private_export_stays_private_and_a_read_only_one_read_only(tmp_path, mode):
    path, _ = written(tmp_path, "utf-8", [*OTHERS, *THEIRS])
    path.chmod(mode)
    assert erase(path, "u1") == len(THEIRS)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_the_file_behind_a_link_forgets_the_person_and_the_link_stays(tmp_path):
    path, content = written(tmp_path, "utf-8", [*OTHERS, *THEIRS])
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert erase(link, "u1") == len(THEIRS)
    assert link.is_symlink()
    assert path.read_bytes() == content.removesuffix("".join(THEIRS).encode())


def test_what_a_killed_erasure_left_does_not_outlive_the_next_one(tmp_path):
    path, content = written(tmp_path, "utf-8", OTHERS)
    left = tmp_path / ".reviews.csv.4711.abcdef01.tmp"
    left.write_bytes(content)
    assert erase(path, "nobody") == 0
    assert [one.name for one in tmp_path.iterdir()] == ["reviews.csv"]

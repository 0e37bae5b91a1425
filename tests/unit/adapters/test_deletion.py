import pytest

from viecomrec.adapters.deletion import DeletionTree
from viecomrec.errors import CleanupError


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "cf"
    (root / "als" / "old").mkdir(parents=True)
    (root / "als" / "old" / "V.npy").write_bytes(b"x" * 1000)
    return DeletionTree(root)


def delete(tree, entries):
    tree.put_away(entries)
    tree.sweep()


def test_what_vanished_between_listing_and_deleting_is_no_error(tree, tmp_path):
    listed = tree.entries("als/*")
    for file in (tmp_path / "cf" / "als" / "old").iterdir():
        file.unlink()
    (tmp_path / "cf" / "als" / "old").rmdir()
    assert tree.entry(listed[0].path) is None
    delete(tree, listed)


def outside(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "orders.csv").write_text("all of them")
    return precious


def test_an_entry_has_its_real_size(tree):
    assert [(one.name, one.n_bytes) for one in tree.entries("als/*")] == [("old", 1000)]


def test_deleting_removes_the_folder_and_leaves_its_neighbours(tree, tmp_path):
    (tmp_path / "cf" / "als" / "new").mkdir()
    delete(tree, [one for one in tree.entries("als/*") if one.name == "old"])
    assert sorted(path.name for path in (tmp_path / "cf" / "als").iterdir()) == ["new"]


@pytest.mark.parametrize("path", ["", ".", "..", "als/../..", "../precious"])
def test_pitfall_22_a_path_outside_or_the_root_itself_is_refused(tree, tmp_path, path):
    outside(tmp_path)
    with pytest.raises(CleanupError, match="not inside"):
        tree.require_inside(tmp_path / "cf" / path)


def test_pitfall_22_a_link_that_leads_outside_is_refused_before_anything_is_deleted(tree, tmp_path):
    precious = outside(tmp_path)
    (tmp_path / "cf" / "als" / "link").symlink_to(precious, target_is_directory=True)
    with pytest.raises(CleanupError, match="precious"):
        delete(tree, tree.entries("als/*"))
    assert (precious / "orders.csv").exists()
    assert (tmp_path / "cf" / "als" / "old" / "V.npy").exists()


def test_a_link_inside_a_deleted_folder_loses_the_link_only(tree, tmp_path):
    precious = outside(tmp_path)
    (tmp_path / "cf" / "als" / "old" / "link").symlink_to(precious, target_is_directory=True)
    delete(tree, tree.entries("als/*"))
    assert (precious / "orders.csv").exists()


def test_hidden_names_are_no_entries(tree, tmp_path):
    (tmp_path / "cf" / ".registry.lock").touch()
    (tmp_path / "cf" / "als" / ".half-written.tmp").mkdir()
    assert [one.name for one in (*tree.entries("*"), *tree.entries("als/*"))] == ["als", "old"]


def test_what_a_killed_cleanup_had_begun_is_finished(tree, tmp_path):
    (tmp_path / "cf" / "als" / "old").rename(tmp_path / "cf" / "als" / ".trash-0123")
    tree.sweep()
    assert list((tmp_path / "cf" / "als").iterdir()) == []

import pickle

from scipy.sparse import load_npz

from tests.unit.domain.test_split import content, interaction
from viecomrec.adapters.snapshot_files import write_snapshot
from viecomrec.adapters.snapshots import load_builtins
from viecomrec.domain import snapshots as layout

ROWS = [interaction(user, product, 1 + product) for user in "abc" for product in (0, 1, 2)]


def written(folder, rows=ROWS):
    folder.mkdir()
    made = content(rows)
    write_snapshot(made.space, [made.indexed], {}, folder)
    return folder


def test_all_seven_files_of_the_guide_are_there(tmp_path):
    names = {path.name for path in written(tmp_path / "a").iterdir()}
    assert set(layout.GUIDE_FILES) <= names
    assert {layout.PRODUCTS, layout.HELD_OUT} <= names


def test_equal_content_gives_equal_bytes(tmp_path):
    first, second = written(tmp_path / "a"), written(tmp_path / "b", list(reversed(ROWS)))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_the_pickles_hold_builtins_only_and_say_what_the_matrix_says(tmp_path):
    folder = written(tmp_path / "a")
    positives = load_builtins(folder / layout.USER_POSITIVES)
    binary = load_npz(folder / layout.BINARY_MATRIX)
    assert positives == {
        row: set(binary[row].indices.tolist()) for row in range(3) if binary[row].nnz
    }
    metadata = pickle.loads((folder / layout.USER_METADATA).read_bytes())
    assert metadata["a"] == {
        "n_events": 3,
        "segment": "trainable",
        "last_at": "2025-01-04T00:00:00+00:00",
    }

import hashlib
import json

import pytest

from viecomrec.adapters.language_models import LanguageModelFolders
from viecomrec.domain.language_models import PHOBERT
from viecomrec.errors import ArtifactError

COMMIT, OTHER = "a" * 40, "b" * 40
FILES = ("config.json", "vocab.txt", "bpe.codes", "pytorch_model.bin")


@pytest.fixture
def folders(tmp_path) -> LanguageModelFolders:
    return LanguageModelFolders(tmp_path / "models", tmp_path / "hub")


def fill(folder, names=FILES, revision=None):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    if revision is not None:
        (folder / "source.json").write_text(json.dumps({"revision": revision}))


def fill_hub(tmp_path, commit, reference=None):
    cached = tmp_path / "hub" / "models--vinai--phobert-base"
    fill(cached / "snapshots" / commit)
    if reference is not None:
        (cached / "refs").mkdir()
        (cached / "refs" / reference).write_text(commit)


def test_the_models_folder_wins_over_the_hubs_cache(folders, tmp_path):
    fill(folders.home(PHOBERT), revision=COMMIT)
    fill_hub(tmp_path, COMMIT)
    located = folders.locate(PHOBERT, COMMIT)
    assert (located.folder, located.place) == (folders.home(PHOBERT), "models folder")
    assert located.revision == COMMIT


def test_the_hubs_cache_is_searched_for_the_pinned_commit(folders, tmp_path):
    fill_hub(tmp_path, COMMIT)
    located = folders.locate(PHOBERT, COMMIT)
    assert (located.revision, located.place) == (COMMIT, "hub cache")
    with pytest.raises(ArtifactError, match="not here"):
        folders.locate(PHOBERT, OTHER)


def test_a_branch_is_resolved_to_the_commit_that_the_cache_has(folders, tmp_path):
    fill_hub(tmp_path, COMMIT, reference="main")
    assert folders.locate(PHOBERT, "main").revision == COMMIT


def test_the_cache_can_be_left_out(tmp_path):
    fill_hub(tmp_path, COMMIT)
    with pytest.raises(ArtifactError, match="does not exist"):
        LanguageModelFolders(tmp_path / "models", None).locate(PHOBERT, COMMIT)


def test_another_commit_than_the_pinned_one_is_refused_and_named(folders):
    fill(folders.home(PHOBERT), revision=OTHER)
    with pytest.raises(ArtifactError, match=f"holds revision {OTHER}, not {COMMIT}"):
        folders.locate(PHOBERT, COMMIT)


@pytest.mark.parametrize("missing", FILES)
def test_an_incomplete_folder_is_refused_and_says_what_it_lacks(folders, missing):
    fill(folders.home(PHOBERT), [name for name in FILES if name != missing])
    with pytest.raises(ArtifactError, match=f"lacks .*{missing}"):
        folders.locate(PHOBERT, COMMIT)


def test_an_incomplete_folder_does_not_hide_a_complete_cache(folders, tmp_path):
    fill(folders.home(PHOBERT), FILES[:2])
    fill_hub(tmp_path, COMMIT)
    assert folders.locate(PHOBERT, COMMIT).place == "hub cache"


def test_a_folder_filled_by_hand_is_named_after_its_weights(folders):
    fill(folders.home(PHOBERT))
    first = folders.locate(PHOBERT, COMMIT).revision
    assert first.startswith("local:")
    (folders.home(PHOBERT) / "pytorch_model.bin").write_bytes(b"other weights")
    assert folders.locate(PHOBERT, COMMIT).revision != first


def test_a_change_anywhere_in_large_weights_that_training_makes_is_another_revision(folders):
    fill(folders.home(PHOBERT))
    weights = folders.home(PHOBERT) / "pytorch_model.bin"
    weights.write_bytes(bytes(9_000_000))
    first = folders.locate(PHOBERT, COMMIT).revision
    weights.write_bytes(bytes(4_500_000) + b"\x01" * 4_500_000)
    assert folders.locate(PHOBERT, COMMIT).revision != first


def test_fetched_files_that_were_altered_later_are_refused(folders):
    home = folders.home(PHOBERT)
    fill(home)
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in FILES}
    (home / "source.json").write_text(json.dumps({"revision": COMMIT, "sha256": hashes}))
    folders.locate(PHOBERT, COMMIT).verify()
    (home / "pytorch_model.bin").write_bytes(b"pytorch_model.bim")
    with pytest.raises(ArtifactError, match=r"pytorch_model\.bin is not what was fetched"):
        folders.locate(PHOBERT, COMMIT).verify()


def test_a_damaged_record_of_the_source_is_an_error_with_the_remedy(folders):
    fill(folders.home(PHOBERT))
    (folders.home(PHOBERT) / "source.json").write_text("{")
    with pytest.raises(ArtifactError, match="models fetch"):
        folders.locate(PHOBERT, COMMIT)


def test_the_safe_form_of_the_weights_is_the_one_that_is_wanted():
    published = ["README.md", "tf_model.h5", "model.safetensors", *FILES]
    wanted = PHOBERT.wanted_files(published)
    assert sorted(wanted) == sorted(["config.json", "vocab.txt", "bpe.codes", "model.safetensors"])
    assert "pytorch_model.bin" in PHOBERT.wanted_files(FILES)

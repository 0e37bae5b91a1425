import os

import pytest
from installation import NEW_MODEL, write_installation

from viecomrec.adapters import atomic_files
from viecomrec.adapters.snapshots import Snapshot
from viecomrec.errors import ArtifactError, SnapshotError
from viecomrec.service.console.verified import (
    VerifiedEmbeddings,
    VerifiedModels,
    VerifiedSnapshots,
)


@pytest.fixture
def installation(tmp_path):
    return write_installation(tmp_path)


def verified(installation):
    paths = installation.paths
    return VerifiedSnapshots(paths.snapshots, paths.snapshot_pointer, paths.processed)


def test_untouched_files_are_hashed_once(installation, monkeypatch):
    hashed = []
    real = Snapshot.verify
    monkeypatch.setattr(Snapshot, "verify", lambda self: (hashed.append(self), real(self)))
    snapshots = verified(installation)
    for _ in range(3):
        snapshots.current().verify()
    assert len(hashed) == 1


def test_an_altered_file_is_found_at_the_next_look(installation):
    snapshots = verified(installation)
    file = snapshots.current().folder / "interactions.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    os.utime(file, (1, 1))
    for _ in range(2):
        with pytest.raises(SnapshotError, match="altered"):
            snapshots.current()


def test_without_data_there_is_none(tmp_path):
    installation = write_installation(tmp_path)
    installation.paths.snapshot_pointer.unlink()
    assert verified(installation).current() is None


def embeddings_of(installation):
    paths = installation.paths
    return VerifiedEmbeddings(
        paths.embeddings, paths.embeddings_pointer, paths.product_embeddings_file
    )


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are hashed."""
    names, real = [], atomic_files.sha256
    monkeypatch.setattr(
        atomic_files, "sha256", lambda file: (names.append(file.name), real(file))[1]
    )
    return names


def damage(file):
    """Change one byte, not the size, and the time by the least that a file system may tell."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))


def test_embeddings_tell_of_themselves_and_are_read_once(installation, hashed):
    store = embeddings_of(installation)
    first = store.current()
    n_hashed = len(hashed)
    assert n_hashed > 0
    assert store.current() is first
    assert len(hashed) == n_hashed
    assert first.manifest == installation.embeddings.current().manifest
    assert first.vectors.size == 0


def test_embeddings_that_were_altered_or_lost_after_a_look_are_found(installation):
    store = embeddings_of(installation)
    file = next(installation.paths.embeddings.glob("*/vectors.npy"))
    store.current()
    damage(file)
    with pytest.raises(ArtifactError, match="altered"):
        store.current()
    file.unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        store.current()


def test_a_model_is_hashed_once_and_again_when_it_was_altered(installation, hashed):
    store = VerifiedModels(installation.paths.models)
    record = installation.registry.read().record(NEW_MODEL)
    store.load(record)
    n_hashed = len(hashed)
    assert n_hashed > 0
    store.load(record)
    assert len(hashed) == n_hashed
    damage(installation.paths.models / record.path / "U.npy")
    for _ in range(2):
        with pytest.raises(ArtifactError, match="altered after training"):
            store.load(record)

import json

import numpy as np
import pytest
from installation import NEW_MODEL, write_installation

from viecomrec.adapters import atomic_files
from viecomrec.adapters.registry import ITEM_FACTORS, MANIFEST, USER_FACTORS
from viecomrec.errors import ArtifactError


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (type(self.file).write_text, (self.file, "boom"))


@pytest.mark.parametrize("name", [USER_FACTORS, ITEM_FACTORS])
def test_pitfall_37_a_pickle_in_a_model_is_refused_and_never_run(tmp_path, name):
    """Also where whoever planted it has written the hash of it into the manifest."""
    installation = write_installation(tmp_path)
    folder = installation.models.folder("als", NEW_MODEL)
    np.save(folder / name, np.array([Bomb(tmp_path / "boom")], dtype=object), allow_pickle=True)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["sha256"][name] = atomic_files.sha256(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=NEW_MODEL):
        installation.models.load(installation.registry.read().record(NEW_MODEL))
    assert not (tmp_path / "boom").exists()

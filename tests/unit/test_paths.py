import pytest

from viecomrec.errors import ConfigurationError
from viecomrec.paths import ProjectPaths, find_project_dir


@pytest.mark.parametrize("marker", ["config", "data/published_data"])
def test_the_nearest_folder_at_or_above_that_looks_like_a_project_is_it(tmp_path, marker):
    (tmp_path / "shop" / marker).mkdir(parents=True)
    deep = tmp_path / "shop" / "some" / "where"
    deep.mkdir(parents=True)
    assert find_project_dir(deep, None) == tmp_path / "shop"
    assert find_project_dir(tmp_path / "shop", None) == tmp_path / "shop"


def test_project_dir_wins_over_the_current_folder(tmp_path):
    (tmp_path / "here" / "config").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    found = find_project_dir(tmp_path / "here", str(tmp_path / "there"))
    assert found == tmp_path / "there"


def test_an_installed_package_is_never_taken_for_a_project(tmp_path):
    inside = tmp_path / "site-packages" / "viecomrec"
    (inside / "config").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="set PROJECT_DIR"):
        find_project_dir(inside, None)


def test_a_project_dir_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="not a folder"):
        find_project_dir(tmp_path, str(tmp_path / "missing"))


def test_every_path_lies_under_the_root(tmp_path):
    paths = ProjectPaths(tmp_path)
    names = [name for name, value in vars(ProjectPaths).items() if isinstance(value, property)]
    assert len(names) > 30
    assert all(getattr(paths, name).is_relative_to(tmp_path) for name in names)
    assert paths.relative(paths.registry_file) == "artifacts/cf/registry.json"

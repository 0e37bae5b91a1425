"""The files for containers, as far as they can be judged without starting one."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from viecomrec.domain.kubernetes_export import PROJECT, USER


@pytest.fixture(scope="module")
def dockerfile(repository):
    return (repository / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def compose(repository):
    return yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))


def test_hadolint_finds_nothing_to_say(repository):
    beside = Path(sys.executable).parent / "hadolint"
    hadolint = str(beside) if beside.is_file() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint (the extra dev installs it, not on Windows)")
    done = subprocess.run(
        [hadolint, "Dockerfile"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_the_user_and_in_the_folder_of_the_manifests(dockerfile):
    final = dockerfile.split("\nFROM ")[-1]
    assert re.search(rf"^USER {USER}:{USER}$", final, re.MULTILINE)
    assert f"PROJECT_DIR={PROJECT}" in final
    assert f'VOLUME ["{PROJECT}"]' in final
    assert "HEALTHCHECK" in final


def test_everything_that_is_copied_exists_and_is_let_through_to_the_build(repository, dockerfile):
    allowed = (repository / ".dockerignore").read_text("utf-8").splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert (repository / source).exists(), source
            assert f"!{source}" in allowed, source


def test_the_python_of_the_image_is_one_that_the_project_allows(repository, dockerfile):
    versions = set(re.findall(r"FROM python:3\.(\d+)-slim", dockerfile))
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    assert len(versions) == 1
    assert int(low) <= int(versions.pop()) < int(high)


def test_no_secret_is_in_the_files_and_compose_refuses_to_start_without_one(dockerfile, compose):
    assert not re.search(r"TOKEN=|PASSWORD=|SECRET=", dockerfile)
    for service in compose["services"].values():
        token = service["environment"]["VIECOMREC_ADMIN_TOKEN"]
        assert token.startswith("${VIECOMREC_ADMIN_TOKEN:?")


def test_every_container_of_compose_has_no_rights_and_shares_the_shop(compose):
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["volumes"] == [f"./shop:{PROJECT}"]
    assert compose["services"]["service"]["ports"] == ["127.0.0.1:8000:8000"]

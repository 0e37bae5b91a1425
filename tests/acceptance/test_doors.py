"""The commands of the guide exist, explain themselves, and load nothing heavy for `--help`."""

import os
import re
import subprocess
import sys

import pytest

from automation.cli import VERBS

GUIDE_FLAGS = {
    "data_refresh": ["--force", "--force-full", "--dry-run", "--skip-merge"],
    "model_training": ["--model", "--auto-select", "--warmstart", "--skip-eval", "--force"],
    "model_deployment": ["--model-id", "--rollback", "--dry-run"],
    "bert_embeddings": ["--force"],
    "health_check": ["--component", "--json", "--alert"],
    "drift_detection": ["--update-baseline"],
    "cleanup": ["--type", "--dry-run"],
    "scheduler": [],
}
# What a door may load before it knows what it is asked: nothing that takes longer than argparse.
HEAVY = {
    "numpy", "scipy", "polars", "pyarrow", "sklearn", "numba", "torch", "transformers", "pydantic",
    "pydantic_settings", "sqlalchemy", "fastapi", "uvicorn", "httpx2", "apscheduler", "structlog",
    "rich", "apprise", "asyncio", "filelock", "stamina",
}  # fmt: skip


def python(*arguments: str, cwd) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    environment.pop("PROJECT_DIR", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("module", GUIDE_FLAGS)
def test_every_command_of_the_guide_names_its_flags(module, repository):
    answer = python("-m", f"automation.{module}", "--help", cwd=repository)
    assert answer.returncode == 0, answer.stderr
    named = set(re.findall(r"--[a-z-]+", answer.stdout))
    assert named >= set(GUIDE_FLAGS[module])


@pytest.mark.parametrize("module", GUIDE_FLAGS)
def test_an_unknown_flag_exits_2(module, repository):
    assert python("-m", f"automation.{module}", "--no-such-flag", cwd=repository).returncode == 2


@pytest.mark.parametrize("module", sorted({module for module, _ in VERBS.values()}))
def test_help_loads_no_heavy_library(module, repository):
    code = (
        f"import sys\nfrom {module} import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', sorted({sorted(HEAVY)!r} & sys.modules.keys()))"
    ).replace(f"{sorted(HEAVY)!r} &", f"set({sorted(HEAVY)!r}) &")
    answer = python("-c", code, cwd=repository)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "LOADED []"


def test_the_console_command_lists_every_verb_and_refuses_an_unknown_one(repository):
    answer = python("-m", "automation.cli", "--help", cwd=repository)
    assert answer.returncode == 0
    assert all(re.search(rf"^  {verb} ", answer.stdout, re.MULTILINE) for verb in VERBS)
    refused = python("-m", "automation.cli", "fly", cwd=repository)
    assert refused.returncode == 2
    assert "unknown verb 'fly'" in refused.stderr


def test_a_command_outside_a_project_says_so_and_exits_2(tmp_path):
    answer = python("-m", "automation.data_refresh", cwd=tmp_path)
    assert answer.returncode == 2
    assert "PROJECT_DIR" in answer.stdout

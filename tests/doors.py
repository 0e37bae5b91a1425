"""Start the doors as a person or a scheduler does: as processes, in a project of their own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Answer:
    """What a door said: its exit code, its one JSON object, its log."""

    code: int
    result: dict[str, Any]
    log: str


def environment(project: Path, **extra: str) -> dict[str, str]:
    keep = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PROJECT_DIR", "SERVICE_URL", "DATABASE_URL", "TZ"}
        and not name.startswith("VIECOMREC_")
    }
    # A port nobody listens on: a test never talks to a service that somebody left running.
    offline = {"SERVICE_URL": "http://127.0.0.1:9"}
    return {**keep, "PROJECT_DIR": str(project), "PYTHONUTF8": "1", **offline, **extra}


def start(module: str, *arguments: str, project: Path, **extra: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"automation.{module}", *arguments],
        cwd=REPOSITORY,
        env=environment(project, **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(module: str, *arguments: str, project: Path, **extra: str) -> Answer:
    """Run a door to its end; its standard output must be one JSON object and nothing else."""
    process = start(module, *arguments, project=project, **extra)
    out, log = process.communicate(timeout=300)
    try:
        result = json.loads(out)
    except json.JSONDecodeError as error:
        raise AssertionError(f"{module} printed no JSON object: {out!r}\n{log}") from error
    assert isinstance(result, dict), out
    return Answer(process.returncode, result, log)

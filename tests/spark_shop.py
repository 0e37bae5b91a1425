"""Where Spark can be tried, and a refresh through it in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doors import REPOSITORY, environment
from viecomrec.adapters.spark import require_spark
from viecomrec.errors import ConfigurationError

SMALL_BLOCKS = """
import json, sys
from viecomrec.adapters import raw_files
raw_files.BLOCK_BYTES = 4000
from automation.data_refresh import main
sys.exit(main(sys.argv[1:]))
"""
"""A refresh that reads the export in many blocks, as it reads large ones."""


def skip_without_spark() -> None:
    try:
        require_spark(os.environ)
    except ConfigurationError as error:
        pytest.skip(str(error))


def refresh_in_small_blocks(project: Path, engine: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SMALL_BLOCKS, "--engine", engine],
        cwd=REPOSITORY,
        env=environment(project, PYTHONPATH=str(REPOSITORY)),
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

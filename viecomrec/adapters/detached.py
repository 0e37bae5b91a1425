"""Processes that outlive the one that starts them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import viecomrec
from viecomrec.adapters.process_tree import CREATION_FLAGS, NEW_SESSION

_children: "list[subprocess.Popen[bytes]]" = []
"""Kept so that a child that ends is not a zombie for longer than until the next one starts."""

CODE = Path(viecomrec.__file__).resolve().parent.parent


def start_module(
    arguments: Sequence[str], project: Path, output: Path
) -> "subprocess.Popen[bytes]":
    """Start `python -m <arguments>` for a project, in a session of its own, output to a file.

    The module is found wherever this program's code lies. Raises OSError if that is impossible.
    """
    environment = {**os.environ, "PROJECT_DIR": str(project)}
    paths = [str(CODE), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as sink:
        child = subprocess.Popen(  # noqa: S603 - this program's own modules
            [sys.executable, "-m", *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=NEW_SESSION,
            creationflags=CREATION_FLAGS,
        )
    _children[:] = [one for one in _children if one.poll() is None] + [child]
    return child

"""The two rules that a machine checks: imports point down, and nothing happens at import."""

import subprocess
import sys

IMPORT_EVERYTHING = """
import importlib, os, pkgutil, sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
FORBIDDEN = {"sqlite3.connect", "socket.connect", "socket.bind", "socket.getaddrinfo",
             "subprocess.Popen", "os.mkdir", "os.rename", "os.remove"}
importing = ""

def watch(event, arguments):
    if not importing:
        return
    if arguments and "__pycache__" in str(arguments[0]):
        return  # what Python and numba compile goes there
    if event == "open":
        path, _, flags = arguments
        if not flags & WRITING or str(path) == os.devnull:
            return
    elif event not in FORBIDDEN:
        return
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.split(".")[0] in {"viecomrec", "automation", "scripts", "alerting"}:
            print("AT IMPORT", importing, event, arguments, flush=True)
            os._exit(1)
        if name.startswith(("importlib", "_frozen_importlib")):
            return  # what a library does while it is imported is not ours
        frame = frame.f_back

sys.addaudithook(watch)
n = 0
for root in ("viecomrec", "automation", "scripts"):
    package = importlib.import_module(root)
    for module in pkgutil.walk_packages(package.__path__, root + "."):
        importing = module.name
        importlib.import_module(module.name)
        importing = ""
        n += 1
print("IMPORTED", n)
"""


def test_imports_point_down_only(repository):
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout
    assert "0 broken" in answer.stdout


def test_nothing_happens_at_import(repository):
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert int(answer.stdout.split()[-1]) > 200

"""The whole loop on a simulated shop: `viecomrec demo`, `make demo`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automation.door import run_door
from automation.serve import DEMO_SHOP

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult

N_USERS = 20_000
FEWEST_USERS = 2_000
"""Below, too few customers buy twice for the model to beat popularity."""

SEED = 7


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    project_dir = parser.parse_args(argv).project_dir
    return run_door(parser, _run, argv, show=lambda result: _show(result, project_dir))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viecomrec demo",
        description="Write a demo shop, learn from it, serve it and ask for recommendations.",
    )
    parser.add_argument(
        "--users", type=_users, default=N_USERS, metavar="N", help=f"customers (default: {N_USERS})"
    )
    parser.add_argument("--seed", type=_seed, default=SEED, metavar="S", help="another shop")
    parser.add_argument(
        "--project-dir", default=DEMO_SHOP, metavar="DIR", help=f"default: {DEMO_SHOP}"
    )
    return parser


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from automation.demo_screen import DemoScreen, open_console
    from viecomrec.bootstrap import open_installation
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.errors import DemoError
    from viecomrec.pipelines import demo

    os.environ["PROJECT_DIR"] = str(_make_folder(Path(arguments.project_dir)))
    installation = open_installation()
    with DemoScreen(open_console()) as screen:
        try:
            request = demo.DemoRequest(arguments.users, arguments.seed)
            return demo.run(request, installation.demo_tools(screen))
        except DemoError as error:
            return PipelineResult(status=Status.FAILED, message=str(error))


def _show(result: "PipelineResult", project_dir: str) -> None:
    """How it ended, and what to do next."""
    content = result.as_json()
    if result.exit_code != 0:
        print(f"\n{content['message']}")
        if _is_demo_shop(project_dir):
            print(f"To start anew, delete the folder {project_dir} and run the demo again.")
        return
    unchanged = "Nothing changed since the last demo. " if content["is_unchanged"] else ""
    print(f"\n{unchanged}{content['message']}. The shop stays in {project_dir}.")
    print(f"Keep its service running: {_serve_command(project_dir)}")


def _is_demo_shop(project_dir: str) -> bool:
    """Whether the demo wrote what lies there; nobody is told to delete a real shop."""
    from viecomrec.paths import ProjectPaths

    return ProjectPaths(Path(project_dir)).demo_shop_marker.is_file()


def _serve_command(project_dir: str) -> str:
    if project_dir == DEMO_SHOP:
        return "make serve  (or: viecomrec serve --demo)"
    return f"viecomrec serve --project-dir {project_dir}"


def _make_folder(folder: Path) -> Path:
    from viecomrec.errors import VieComRecError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VieComRecError(
            f"{folder} cannot be made: {error.strerror}. Choose another with --project-dir."
        ) from error
    return folder.resolve()


def _users(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST_USERS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a whole number from {FEWEST_USERS} on; with fewer customers there is "
            "too little to learn"
        )
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 0 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

"""Door: `viecomrec refit-scorer`."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec refit-scorer",
        description="Fit the shop's own comment scorer anew on its present comments and stars, "
        "then rebuild the data snapshot with it. No other command refits it.",
    )
    return run_door(parser, _run, argv)


def _run(_: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines.data_refresh import RefreshRequest, run

    installation = open_installation()
    request = RefreshRequest(force_full=True, refit_scorer=True)
    tools = installation.refresh_tools()
    return installation.run("data_refresh", lambda: run(request, tools), {"refit_scorer": True})


if __name__ == "__main__":
    sys.exit(main())

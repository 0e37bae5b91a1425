"""Door: `viecomrec erase-user ID`."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    return run_door(_parser(), _run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viecomrec erase-user",
        description="Forget one person: no personal answers at once, and no trace after the next "
        "training; a data refresh follows at once. Raw files are rewritten for this alone.",
    )
    parser.add_argument("user_id", help="the id of the user, as the shop writes it")
    return parser


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.pipelines import data_refresh
    from viecomrec.pipelines.data_refresh import RefreshRequest
    from viecomrec.pipelines.user_erasure import run

    installation = open_installation()

    def erase() -> PipelineResult:
        # Both read and write what is erased here, and hold the person in memory meanwhile.
        with (
            installation.lock("data_refresh") as data,
            installation.lock("model_training") as model,
        ):
            if not (data.acquired and model.acquired):
                message = "A refresh or a training is running. Erase the user when it has ended."
                return PipelineResult(status=Status.FAILED, message=message)
            erased = run(arguments.user_id, installation.erasure_tools())
            # At once, so that no training starts from a snapshot that knows the person.
            refreshed = data_refresh.run(RefreshRequest(), installation.refresh_tools())
            return erased.model_copy(update={"refresh": refreshed.as_json()})

    # The record of the run does not name the user.
    return installation.run("erase_user", erase, {})


if __name__ == "__main__":
    sys.exit(main())

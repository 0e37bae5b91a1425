"""viecomrec artifacts push: upload what this installation has to the store of ARTIFACT_URL."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec artifacts",
        description="Move the artifacts of this installation into a store for several hosts.",
    )
    parser.add_argument(
        "action", choices=["push"], help="upload snapshots, embeddings, models and the registry"
    )
    return run_door(parser, _run, argv)


def _run(_arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import artifact_upload

    return artifact_upload.run(open_installation().upload_tools())


if __name__ == "__main__":
    sys.exit(main())

"""The recommendation service: `viecomrec serve`, `python -m automation.serve`."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viecomrec.bootstrap import Installation
    from viecomrec.domain.results import PipelineResult

DEMO_SHOP = "work/demo-shop"


def main(argv: Sequence[str] | None = None) -> int:
    from automation.door import run_door

    return run_door(_parser(), _serve, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viecomrec serve", description="Answer with recommendations over HTTP."
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default: 8000)")
    parser.add_argument("--workers", type=int, help="worker processes (default: 1)")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--project-dir", help="the shop's folder (default: PROJECT_DIR)")
    place.add_argument("--demo", action="store_true", help=f"serve the demo shop in {DEMO_SHOP}")
    return parser


def _serve(arguments: argparse.Namespace) -> "PipelineResult":
    """Run the server until it is stopped; refuse an open door without a chosen token."""
    from secrets import token_hex

    import uvicorn

    from viecomrec.adapters.listening import require_free
    from viecomrec.adapters.ranking_file import read_ranking_rules
    from viecomrec.adapters.worker_board import sweep
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.service.door_protocol import DoorProtocol

    installation = _installation(arguments)
    service = installation.settings.service
    host = arguments.host or service.host
    port = service.port if arguments.port is None else arguments.port
    _require_safe(host, installation)
    require_free(host, port)
    read_ranking_rules(installation.paths.ranking_file)
    installation.require_database()
    token = installation.admin_token.ensure()
    sweep(installation.paths.service_workers)
    os.environ["VIECOMREC_SERVICE_RUN"] = token_hex(8)
    workers = arguments.workers or service.workers
    os.environ["VIECOMREC_SERVICE__WORKERS"] = str(workers)
    print(
        f"VieComRec serves {installation.paths.root} on http://{host}:{port} "
        f"(documentation: /docs). Admin token: {_token_place(installation)}\n"
        f"Console, this link signs in: {_sign_in_link(installation, token, host, port)}",
        file=sys.stderr,
    )
    uvicorn.run(
        "viecomrec.service.app:create_app",
        factory=True,
        http=DoorProtocol,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    return PipelineResult(status=Status.SUCCESS, message="The service was stopped")


def _sign_in_link(installation: "Installation", token: str, host: str, port: int) -> str:
    """A link of some minutes, without the token; on this machine also where all may connect."""
    from viecomrec.service.console.session import Keys

    ticket = Keys(token).new_ticket(installation.now())
    near = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://{near}:{port}/console/enter?ticket={ticket}"


def _installation(arguments: argparse.Namespace) -> "Installation":
    """The installation that the flags name; worker processes find it by PROJECT_DIR."""
    from viecomrec.bootstrap import open_installation

    if arguments.demo:
        os.environ["PROJECT_DIR"] = DEMO_SHOP
    elif arguments.project_dir:
        os.environ["PROJECT_DIR"] = arguments.project_dir
    installation = open_installation()
    os.environ["PROJECT_DIR"] = str(installation.paths.root)
    return installation


def _require_safe(host: str, installation: "Installation") -> None:
    from viecomrec.adapters.listening import is_loopback
    from viecomrec.errors import ConfigurationError

    if not is_loopback(host) and not installation.admin_token.is_configured:
        raise ConfigurationError(
            f"Listening on {host} opens the service to other machines. Choose a token first: "
            "set VIECOMREC_ADMIN_TOKEN, or listen on 127.0.0.1."
        )


def _token_place(installation: "Installation") -> str:
    if installation.admin_token.is_configured:
        return "VIECOMREC_ADMIN_TOKEN"
    return str(installation.paths.admin_token_file)


if __name__ == "__main__":
    sys.exit(main())

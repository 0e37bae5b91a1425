"""The health report as a table that fits 80 columns."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {"healthy": "green", "warning": "yellow", "critical": "bold red"}


def print_report(report: dict[str, Any], console: Console | None = None) -> None:
    """Print one row per check: what was looked at, what was found, what to do."""
    console = console or Console()
    table = Table(title=f"Health at {report['timestamp']}", title_justify="left", show_lines=True)
    table.add_column("Check", ratio=2, overflow="fold")
    table.add_column("Status", no_wrap=True)
    table.add_column("Found, and what to do", ratio=4, overflow="fold")
    for component, health in report["components"].items():
        for check in health["checks"]:
            table.add_row(*_cells(component, check))
    console.print(table)
    overall = report["overall_status"]
    console.print(Text.assemble("Overall: ", (overall, STYLES[overall])))


def _cells(component: str, check: dict[str, Any]) -> tuple[Text, Text, Text]:
    name = Text.assemble(f"{component}: {check['name']}", ("\n" + check["looked_at"], "dim"))
    status = Text(check["status"], STYLES[check["status"]])
    found = Text(check["found"])
    if check.get("action"):
        found.append(f"\nTo do: {check['action']}", "bold")
    return name, status, found

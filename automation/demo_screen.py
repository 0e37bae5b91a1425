"""What a person sees of the demo: progress on a terminal, plain lines elsewhere, tables."""

from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from automation.health_table import STYLES
from viecomrec.domain.demo import Customer, Step, StepReport, compact_reason, format_vnd

PLAIN_WIDTH = 110
"""Columns where no terminal says how wide it is."""


class DemoScreen:
    """Prints to a console; with `live` a bar at the bottom says which step runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=len(Step))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, step: Step) -> None:
        self._progress.update(self._task, description=f"{step} ...")

    def end(self, report: StepReport) -> None:
        line = Table.grid(padding=(0, 2))
        line.add_row(
            Text(f"{report.step.number}/{len(Step)}", "dim"),
            Text(f"{report.step:<15}", "bold"),
            f"{report.seconds:5.1f} s",
            Text(report.found, "dim" if report.is_unchanged else ""),
        )
        self._console.print(line)
        self._progress.update(self._task, completed=report.step.number)

    def show_recommendations(self, customer: Customer, answer: Mapping[str, Any]) -> None:
        table = Table(title=_title(customer), title_justify="left", title_style="")
        table.add_column("#", justify="right")
        table.add_column("Product", ratio=1)
        table.add_column("Price", justify="right", no_wrap=True)
        table.add_column("Why", ratio=1)
        for item in answer["items"]:
            table.add_row(
                str(item["rank"]),
                item["name"],
                format_vnd(item["price"]),
                _why(item, customer),
                end_section=True,
            )
        self._console.print()
        self._console.print(table)

    def show_health(self, report: Mapping[str, Any]) -> None:
        table = Table(title="Health", title_justify="left", title_style="bold")
        table.add_column("Check")
        table.add_column("Status", no_wrap=True)
        table.add_column("Found", ratio=1)
        for component, health in report["components"].items():
            for check in health["checks"]:
                found = Text(check["found"])
                if check.get("action"):
                    found.append(f"\nTo do: {check['action']}", "bold")
                status = Text(check["status"], STYLES[check["status"]])
                table.add_row(f"{component}: {check['name']}", status, found)
        self._console.print()
        self._console.print(table)


def open_console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    return console


def _title(customer: Customer) -> Text:
    title = Text.assemble((f"For {customer.user_id}", "bold"), f", {customer.who}")
    for letter, name in zip(ascii_lowercase, customer.bought.values(), strict=False):
        title.append(f"\n[{letter}] bought {name}", "dim")
    return title


def _why(item: Mapping[str, Any], customer: Customer) -> Text:
    vietnamese, english = (
        compact_reason(item[key], item.get("because_of"), customer.bought)
        for key in ("reason_vi", "reason_en")
    )
    label = item["reason"].replace("_", " ")
    return Text.assemble((label, "bold"), f": {vietnamese}\n", (english, "dim"))

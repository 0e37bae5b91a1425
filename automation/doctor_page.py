"""The doctor's findings as a page for a person."""

from typing import Any

from rich.console import Console
from rich.text import Text


def print_page(page: dict[str, Any], console: Console | None = None) -> None:
    """Print what is wrong and what to type first, then the facts."""
    console = console or Console(highlight=False)
    console.print(Text(f"VieComRec at {page['root']}, {page['timestamp']}: {page['status']}"))
    for problem in page["problems"]:
        console.print(Text(f"\n  {problem['what']}"))
        console.print(Text(f"    type: {problem['type']}", "bold"))
    if not page["problems"]:
        console.print("\n  Nothing is wrong.")
    _section(console, "Models", [f"{name}: {value}" for name, value in page["models"].items()])
    alerts = [f"{name}: {found or 'none'}" for name, found in page["alerts"].items()]
    _section(console, "Alerts", alerts)
    _section(console, "Due next", [f"{one['at']} {one['job']}" for one in page["due"]])
    _section(console, "Last runs", [_run(run) for run in page["runs"]])
    _section(console, "Locks", [f"{lock['name']}: {lock['found']}" for lock in page["locks"]])
    _section(console, "Places", _places(page))
    _section(console, "Versions", [f"{name} {found}" for name, found in page["versions"].items()])


def _section(console: Console, title: str, lines: list[str]) -> None:
    console.print(Text(f"\n{title}", "bold"))
    for line in lines or ["none"]:
        console.print(Text(f"  {line}"))


def _run(run: dict[str, Any]) -> str:
    error = f": {run['error']}" if run.get("error") else ""
    return f"{run['started']} {run['pipeline']} {run['status']}{error}"


def _places(page: dict[str, Any]) -> list[str]:
    shared = f"artifacts: {page['artifact_store']}; runs and events: {page['database']}"
    return [shared, *(_place(place) for place in page["paths"])]


def _place(place: dict[str, Any]) -> str:
    return f"{place['name']}: {place['path']}{'' if place['exists'] else ' (not there yet)'}"

"""Alerts: what is open, what happened, and whether messages arrive."""

import json
from typing import Any

from starlette.responses import Response

from viecomrec.domain.alerts import INCIDENT_DETAIL, Severity, incident_key
from viecomrec.service.console.frame import Form, Visit

N_SHOWN = 100
MAX_BYTES = 500_000


def show_alerts(here: Visit) -> Response:
    installation, history = here.console.worker.installation, _history(here)
    return here.render(
        "alerts.html",
        incidents=installation.alerts.open_incidents(),
        told_last={key_of(alert): alert for alert in reversed(history)},
        history=history,
        sent=here.query("sent") == "yes",
    )


def send_test(here: Visit, _: Form) -> Response:
    here.console.worker.installation.alerts.send("console", "info", here.t("test_message"))
    return here.redirect("/alerts?sent=yes")


def key_of(alert: dict[str, Any]) -> str:
    """The incident that a line of the log belongs to; its recovery belongs to none."""
    details = alert.get("details")
    part = details.get(INCIDENT_DETAIL, "") if isinstance(details, dict) else ""
    is_news = alert.get("severity") == Severity.INFO
    return "" if is_news else incident_key(str(alert.get("pipeline_name", "")), str(part))


def _history(here: Visit) -> list[dict[str, Any]]:
    """The last lines of the alert log, newest first; a torn line is left out."""
    file = here.console.worker.installation.paths.alerts_file
    if not file.is_file():
        return []
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - MAX_BYTES))
        lines = log.read().decode("utf-8", "replace").splitlines()[-N_SHOWN:]
    found = [_object(line) for line in reversed(lines)]
    return [one for one in found if one is not None]


def _object(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None

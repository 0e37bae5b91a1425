"""Jobs: when they run next, run now, pause, resume, change a schedule, follow a log."""

from typing import Any

from starlette.responses import JSONResponse, Response

from viecomrec.adapters.run_log import read_after
from viecomrec.domain.schedules import RANGES, next_occurrences, parse_schedule
from viecomrec.errors import ConfigurationError
from viecomrec.pipelines import scheduler_management as management
from viecomrec.pipelines.job_runs import collect_ended
from viecomrec.service.console.frame import HEADERS, Form, Visit, field

N_PREVIEWED = 5
MAX_LOG_BYTES = 200_000


def show_jobs(here: Visit) -> Response:
    return here.render("jobs.html", scheduler=management.status(_tools(here)))


def show_job_rows(here: Visit) -> Response:
    """The rows of the table alone: the page replaces them every few seconds."""
    return here.render("job_rows.html", scheduler=management.status(_tools(here)))


def show_job(here: Visit) -> Response:
    tools, name = _tools(here), here.request.path_params["job"]
    job = management.job_description(tools, name)
    return here.render(
        "job.html",
        job=job,
        fields=list(RANGES),
        next_times=management.next_times(tools, tools.config().job(name), N_PREVIEWED),
        state=management.status(tools)["jobs"][name]["state"],
        rows=management.history(tools, name, None, 20),
    )


def preview(here: Visit) -> Response:
    """The next five times of the fields in the query, or what is wrong with them."""
    tools = _tools(here)
    fields = {name: here.query(name) for name in RANGES if here.query(name).strip()}
    try:
        schedule = parse_schedule(_numbers(fields), here.t("schedule"))
    except ConfigurationError as error:  # somebody is still typing
        return here.render("preview.html", times=[], problem=str(error))
    zone = tools.run_tools.zone
    times = next_occurrences(schedule, zone, here.console.now(), N_PREVIEWED)
    return here.render("preview.html", times=[one.nominal_utc for one in times], problem="")


def read_log(here: Visit) -> Response:
    """What a job wrote after `offset`, as JSON; a cut or new file starts from its beginning."""
    tools, name = _tools(here), here.request.path_params["job"]
    tools.config().job(name)
    try:
        file = management.log_file_of(tools, name)
    except ConfigurationError:  # it never ran
        return JSONResponse({"file": "", "offset": 0, "text": ""}, headers=HEADERS)
    known = here.query("file") == file.name
    offset = int(here.query("offset")) if known and here.query("offset").isdecimal() else 0
    news = read_after(file, offset, MAX_LOG_BYTES)
    if news is None:  # cleanup took it away just now
        return JSONResponse({"file": "", "offset": 0, "text": ""}, headers=HEADERS)
    text, end = news
    return JSONResponse({"file": file.name, "offset": end, "text": text}, headers=HEADERS)


def run_now(here: Visit, _: Form) -> Response:
    name = here.request.path_params["job"]
    if management.begin_run(_tools(here), name) is None:
        return here.problem(here.t("already_running"), 409)
    return here.redirect(f"/jobs/{name}")


def set_paused(here: Visit, form: Form) -> Response:
    name = here.request.path_params["job"]
    management.set_enabled(_tools(here), name, enabled=field(form, "enabled") == "yes")
    return here.redirect("/jobs")


def change_schedule(here: Visit, form: Form) -> Response:
    name = here.request.path_params["job"]
    fields: dict[str, Any] = {key: field(form, key) or None for key in RANGES}
    management.change_schedule(_tools(here), name, _numbers(fields))
    return here.redirect(f"/jobs/{name}")


def _tools(here: Visit) -> management.ManagementTools:
    """The manager, after ends were recorded that no running scheduler has recorded yet."""
    tools = here.console.worker.installation.management_tools()
    collect_ended(tools.run_tools)
    return tools


def _numbers(fields: dict[str, Any]) -> dict[str, Any]:
    """Plain numbers as numbers, as a person would write them into the file."""
    return {
        key: int(value) if isinstance(value, str) and value.isdecimal() else value
        for key, value in fields.items()
    }

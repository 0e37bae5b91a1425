"""What every page shares: who is signed in, language, theme, templates, security headers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from viecomrec.domain.health import HealthReport
from viecomrec.errors import VieComRecError
from viecomrec.service.console import charts
from viecomrec.service.console.formats import Formats
from viecomrec.service.console.messages import reason_of, say, twin_of
from viecomrec.service.console.recent import Recent
from viecomrec.service.console.session import SESSION_COOKIE, Keys
from viecomrec.service.console.verified import VerifiedEmbeddings, VerifiedModels, VerifiedSnapshots
from viecomrec.service.console.words import Language, name_of, translate
from viecomrec.service.worker import Worker

log = structlog.get_logger()

STATIC = Path(__file__).resolve().parent / "static"
PREFIX = "/console"
PAGES = ("today", "jobs", "runs", "models", "data", "try", "alerts")
THEMES = ("auto", "light", "dark")
MAX_FORM_BYTES = 64_000
HEALTH_LASTS = timedelta(seconds=15)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Form = Mapping[str, list[str]]


@dataclass(frozen=True)
class Console:
    """The worker that the console shows and steers, and the keys of its sessions."""

    worker: Worker
    keys: Keys
    templates: Environment
    snapshots: VerifiedSnapshots
    embeddings: VerifiedEmbeddings
    models: VerifiedModels
    health: Recent[HealthReport]
    """The last look at everything: hashing all files at every click would be waste."""

    @property
    def now(self) -> Callable[[], datetime]:
        return self.worker.installation.now


@dataclass(frozen=True)
class Visit:
    """One request of a signed-in person (`session` is None on the way in)."""

    console: Console
    request: Request
    language: Language
    theme: str
    session: str | None

    @property
    def formats(self) -> Formats:
        return Formats(self.language, self.console.worker.installation.zone)

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)

    def t(self, key: str, *values: object) -> str:
        """The words of a key in the language of the visitor."""
        return translate(key, self.language).format(*values)

    def say(self, message: str | None) -> Markup:
        """What a pipeline or an error says, in the language of the visitor where it is known."""
        return say(message, self.language)

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        session = self.session
        content = self.console.templates.get_template(template).render(
            t=self.t,
            name_of=lambda kind, key: name_of(kind, key, self.language),
            say=self.say,
            twin_of=lambda text: twin_of(text, self.language),
            reason_of=lambda text: reason_of(text, self.language),
            f=self.formats,
            charts=charts,
            now=self.console.now(),
            language=self.language.value,
            theme=self.theme,
            themes=THEMES,
            pages=PAGES,
            here=self.request.url.path,
            page=template.removesuffix(".html"),
            signed_in=session is not None,
            csrf=self.console.keys.csrf(session) if session else "",
            **values,
        )
        return HTMLResponse(content, status, HEADERS)

    def redirect(self, path: str) -> Response:
        return RedirectResponse(f"{PREFIX}{path}", 303, HEADERS)

    def problem(self, message: str, status: int = 400) -> Response:
        return self.render("message.html", status, title=self.t("problem"), message=message)


Page = Callable[[Visit], Response]
Action = Callable[[Visit, Form], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def open_console(worker: Worker, token: str) -> Console:
    templates = Environment(
        loader=PackageLoader("viecomrec.service.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    installation = worker.installation
    paths = installation.paths
    return Console(
        worker,
        Keys(token),
        templates,
        VerifiedSnapshots(
            paths.snapshots, paths.snapshot_pointer, paths.processed, installation.kept_snapshots()
        ),
        VerifiedEmbeddings(
            paths.embeddings,
            paths.embeddings_pointer,
            paths.product_embeddings_file,
            installation.kept_embeddings(),
        ),
        VerifiedModels(paths.models, installation.kept_models()),
        Recent(HEALTH_LASTS),
    )


def visit(console: Console, request: Request) -> Visit:
    wanted = request.cookies.get("viecomrec_language")
    theme = request.cookies.get("viecomrec_theme", "auto")
    session = request.cookies.get(SESSION_COOKIE)
    is_signed_in = console.keys.is_session(session, console.now())
    return Visit(
        console,
        request,
        Language.EN if wanted == Language.EN else Language.VI,
        theme if theme in THEMES else "auto",
        session if is_signed_in else None,
    )


def page(console: Console, show: Page) -> Endpoint:
    """A page for signed-in people; others are sent to the door."""

    async def endpoint(request: Request) -> Response:
        here = visit(console, request)
        if here.session is None:
            return here.redirect("/sign-in")
        return await run_in_threadpool(_guarded, here, lambda: show(here))

    return endpoint


def action(console: Console, act: Action) -> Endpoint:
    """A change: only from a form that this very session was given."""

    async def endpoint(request: Request) -> Response:
        here = visit(console, request)
        if here.session is None:
            return here.redirect("/sign-in")
        form = await read_form(request)
        if not console.keys.is_csrf(field(form, "csrf"), here.session):
            return here.problem(here.t("refused"), 403)
        return await run_in_threadpool(_guarded, here, lambda: act(here, form))

    return endpoint


async def read_form(request: Request) -> Form:
    """The fields of a small urlencoded form; empty for anything else."""
    body = await request.body()
    if len(body) > MAX_FORM_BYTES:
        return {}
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)


def field(form: Form, name: str) -> str:
    return form.get(name, [""])[0].strip()


def _guarded(here: Visit, work: Callable[[], Response]) -> Response:
    """Errors of ours are told in a page of the console, without the place on this machine."""
    try:
        return work()
    except VieComRecError as error:
        log.warning("console", path=here.request.url.path, error=str(error))
        return here.problem(here.say(here.console.worker.live.public(error)))

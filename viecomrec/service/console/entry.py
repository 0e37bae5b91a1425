"""The way in and out, and how the console looks."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from viecomrec.service.console.frame import (
    HEADERS,
    PREFIX,
    THEMES,
    Console,
    Form,
    Visit,
    field,
    read_form,
    visit,
)
from viecomrec.service.console.session import SESSION_COOKIE, SESSION_LASTS
from viecomrec.service.console.words import Language

A_YEAR_SECONDS = 365 * 86_400


class Entry:
    """The endpoints that need no session."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show_sign_in(self, request: Request) -> Response:
        return visit(self._console, request).render("sign_in.html", wrong=False)

    async def sign_in(self, request: Request) -> Response:
        here = visit(self._console, request)
        if not self._console.keys.is_token(field(await read_form(request), "token")):
            return here.render("sign_in.html", 401, wrong=True)
        return self._open(here)

    async def enter(self, request: Request) -> Response:
        """The link that `serve` prints: a ticket of some minutes instead of the token."""
        here = visit(self._console, request)
        if not self._console.keys.is_ticket(here.query("ticket"), self._console.now()):
            return here.redirect("/sign-in")
        return self._open(here)

    async def prefer(self, request: Request) -> Response:
        """Remember language and theme, and return to where the visitor was."""
        here = visit(self._console, request)
        back = here.query("back")
        is_here = back == PREFIX or back.startswith(f"{PREFIX}/")
        answer = RedirectResponse(back if is_here else PREFIX, 303, HEADERS)
        for name, allowed in (("language", tuple(Language)), ("theme", THEMES)):
            if here.query(name) in allowed:
                answer.set_cookie(
                    f"viecomrec_{name}",
                    here.query(name),
                    max_age=A_YEAR_SECONDS,
                    path=PREFIX,
                    samesite="strict",
                )
        return answer

    def _open(self, here: Visit) -> Response:
        answer = here.redirect("/")
        answer.set_cookie(
            SESSION_COOKIE,
            self._console.keys.new_session(self._console.now()),
            max_age=int(SESSION_LASTS.total_seconds()),
            path=PREFIX,
            httponly=True,
            samesite="strict",
            secure=here.request.url.scheme == "https",
        )
        return answer


def sign_out(here: Visit, _: Form) -> Response:
    answer = here.redirect("/sign-in")
    answer.delete_cookie(SESSION_COOKIE, path=PREFIX)
    return answer

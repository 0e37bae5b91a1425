"""A real HTTP server on loopback that answers like the service, or misbehaves as it is told."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "a-token-for-tests-only"


class LoopbackService:
    """State of the pretended service; tests change it between and during requests.

    `faults` maps a path to a list of callables, each used up by one request; a callable gets
    the handler and answers in its own way.
    """

    def __init__(self, live=None, installation_id="here", models=("als_20250101_v1",)):
        self.live = live
        self.installation_id = installation_id
        self.models = set(models)
        self.products = ["p0", "p1", "p2"]
        self.requests = []
        self.faults = {}
        self.url = ""
        self.known_users = None
        self.empty_models = set()
        self.info = {}

    def fault(self, path, *behaviours):
        self.faults.setdefault(path, []).extend(behaviours)

    def asked(self, path):
        return [body for requested, body in self.requests if requested == path]

    # --- answers -----------------------------------------------------------------------
    def handle(self, handler, body):
        self.requests.append((handler.path, body))
        waiting = self.faults.get(handler.path)
        if waiting:
            waiting.pop(0)(handler)
            return
        answer = getattr(self, "answer" + handler.path.replace("/", "_"), None)
        if answer is None:
            send_json(handler, 404, {"detail": "Not Found"})
            return
        send_json(handler, *answer(handler, body))

    def answer_health(self, _handler, _body):
        status = "healthy" if self.live else "empty"
        return (200 if self.live else 503), {"status": status}

    def answer_model_info(self, _handler, _body):
        return 200, {
            "model_id": self.live,
            "installation_id": self.installation_id,
            "status": "ok" if self.live else "empty",
            **self.info,
        }

    def answer_reload_model(self, handler, body):
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "wrong or missing token"}
        if body["model_id"] not in self.models:
            return 404, {"message": f"unknown model {body['model_id']}"}
        self.live = body["model_id"]
        return 200, {"status": "success", "model_id": self.live}

    def answer_recommend(self, _handler, body):
        known = self.known_users is None or body["user_id"] in self.known_users
        products = [] if self.live in self.empty_models else self.products
        return 200, {
            "user_id": body["user_id"],
            "model_id": self.live,
            "is_fallback": not known,
            "fallback_reason": None if known else "unknown user",
            "items": [
                {"rank": rank, "product_id": product, "score": 1.0 / rank}
                for rank, product in enumerate(products[: body["topk"]], start=1)
            ],
        }


def send_json(handler, status, content):
    send_bytes(handler, status, json.dumps(content).encode(), "application/json")


def send_bytes(handler, status, content, content_type="text/html"):
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


# --- ways to misbehave -------------------------------------------------------------------
def html(handler):
    send_bytes(handler, 200, b"<html><body>Welcome to nginx</body></html>")


def drop(handler):
    """Close the connection without a reply."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def status(code, message="no"):
    return lambda handler: send_json(handler, code, {"message": message})


def answer(content):
    return lambda handler: send_json(handler, 200, content)


def hang(seconds_event):
    """Accept, read the request, and say nothing until the event is set."""

    def behave(handler):
        seconds_event.wait(20)
        drop(handler)

    return behave


def drip(stop):
    """Send the head at once and then one byte after the other, without an end."""

    def behave(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not stop.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    return behave


@contextlib.contextmanager
def running(service: LoopbackService) -> Iterator[LoopbackService]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            body = json.loads(content) if content.startswith(b"{") else None
            with contextlib.suppress(OSError):  # a client that goes away is part of some tests
                service.handle(self, body)
            self.close_connection = True

        do_GET = do_POST = do_HEAD = _serve  # noqa: N815 - names of http.server

        def log_message(self, *_args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args):
            pass  # a dropped connection is part of the test

    server = Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def unused_url():
    """An address on loopback where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

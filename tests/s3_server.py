"""A local S3 server as a child process: it counts what it is asked, and can lose its network.

Run as a program it is the server; imported it starts one and ends it by its process id.
"""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

FORBIDDEN_BUCKET = "forbidden"
REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class S3Server:
    """The address of the server, and what it was asked."""

    def __init__(self, endpoint: str, requests_file: Path) -> None:
        self.endpoint = endpoint
        self._requests_file = requests_file

    def new_bucket(self) -> str:
        name = f"shop-{uuid.uuid4().hex[:12]}"
        with urlopen(Request(f"{self.endpoint}/{name}", method="PUT")):
            return name

    def environment(self, url: str) -> dict[str, str]:
        """What a shop sets; the numbers make a lost network short."""
        return {
            "ARTIFACT_URL": url,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "a-secret-for-tests",
            "AWS_REGION": "us-east-1",
            "VIECOMREC_ARTIFACT_STORE__RETRY_SECONDS": "1",
        }

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Meanwhile nobody may write or delete, as with credentials that lack the right."""
        sign = read_only_sign(self._requests_file)
        sign.touch()
        try:
            yield
        finally:
            sign.unlink()

    def requests(self) -> list[dict[str, Any]]:
        """All requests so far: method, path below the bucket, status."""
        lines = self._requests_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @contextlib.contextmanager
    def counted(self) -> Iterator[list[dict[str, Any]]]:
        """The requests that are made meanwhile; the list is filled at the end."""
        before, asked = len(self.requests()), []
        yield asked
        asked.extend(self.requests()[before:])


def read_only_sign(requests_file: Path) -> Path:
    """The file whose presence makes the server refuse every change."""
    return requests_file.with_suffix(".read_only")


@contextlib.contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    requests_file = folder / "requests.jsonl"
    requests_file.touch()
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, str(requests_file)],
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        )
    try:
        line = process.stdout.readline()
        assert line, (folder / "s3.log").read_text()
        yield S3Server(f"http://127.0.0.1:{int(line)}", requests_file)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Proxy:
    """A wire to the server that can be cut, at once or after so many bytes towards it."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("http://").split(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes_left: int | None = None
        """None: the wire holds."""

        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.bytes_left == 0:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                for source, sink, is_sent in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._pump, args=(source, sink, is_sent), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_sent: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(4096):
                if not self._may_pass(len(chunk), is_sent):
                    break
                sink.sendall(chunk)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _may_pass(self, n_bytes: int, is_sent: bool) -> bool:
        with self._lock:
            if self.bytes_left is None:
                return True
            if is_sent:
                self.bytes_left = max(0, self.bytes_left - n_bytes)
            return self.bytes_left > 0


@contextlib.contextmanager
def running_proxy(endpoint: str) -> Iterator[Proxy]:
    proxy = Proxy(endpoint)
    try:
        yield proxy
    finally:
        proxy.close()


# --- the child ---------------------------------------------------------------------------
class Recorder:
    """Writes down each request; changes take turns, so that conditions are judged one by one."""

    def __init__(self, application: Any, requests_file: Path) -> None:
        self._application = application
        self._requests_file = requests_file
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        status: list[str] = []

        def start(code: str, headers: Any, *rest: Any) -> Any:
            status.append(code)
            return start_response(code, headers, *rest)

        with self._turn:
            if self._is_refused(environ):
                start("403 Forbidden", [("Content-Type", "application/xml")])
                answer: Any = [REFUSAL]
            else:
                answer = list(self._application(environ, start))
            line = {
                "method": environ["REQUEST_METHOD"],
                "key": environ["PATH_INFO"].lstrip("/").partition("/")[2],
                "status": int(status[0].split()[0]),
            }
            with self._requests_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return answer

    def _is_refused(self, environ: dict[str, Any]) -> bool:
        if environ["PATH_INFO"].startswith(f"/{FORBIDDEN_BUCKET}/"):
            return True
        is_read = environ["REQUEST_METHOD"] in {"GET", "HEAD"}
        return not is_read and read_only_sign(self._requests_file).exists()


def serve(requests_file: Path) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application = Recorder(DomainDispatcherApplication(create_backend_app), requests_file)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    print(server.server_port, flush=True)  # noqa: T201 - the parent reads it
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))

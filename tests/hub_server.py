"""A local server shaped like the model hub: metadata, ETags, ranges, and faults on demand."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c" * 40


@dataclass
class Hub:
    """What the server publishes, how it misbehaves, and what it was asked."""

    repositories: dict[str, Path]
    url: str = ""
    breaks: dict[str, int] = field(default_factory=dict)
    """File -> position at which every connection is cut, for as long as the entry stands."""

    lies: set[str] = field(default_factory=set)
    """Files of which other bytes of the same length arrive than were announced."""

    head: str = COMMIT
    """The commit that `main` means now; COMMIT stays published."""

    ranges: list[tuple[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def running_hub(repositories: dict[str, Path]) -> Iterator[Hub]:
    hub = Hub(repositories)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one small class
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Quiet."""

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.split("?")[0].removeprefix("/")
            hub.requests.append(f"{self.command} {path}")
            if path.startswith("api/models/"):
                self._metadata(path.removeprefix("api/models/"))
            elif "/resolve/" in path:
                self._file(*path.split("/resolve/"))
            else:
                self._answer(404, b"{}")

        def _metadata(self, path: str):
            model_id, _, revision = path.partition("/revision/")
            folder = hub.repositories.get(model_id)
            commits = {"main": hub.head, hub.head: hub.head, COMMIT: COMMIT}
            if folder is None or revision not in commits:
                missing = "RepoNotFound" if folder is None else "RevisionNotFound"
                self._answer(404, b"{}", {"X-Error-Code": missing})
                return
            siblings = [_sibling(file) for file in sorted(folder.iterdir())]
            content = {"id": model_id, "modelId": model_id, "sha": commits[revision]}
            content["siblings"] = siblings
            self._answer(200, json.dumps(content).encode())

        def _file(self, model_id: str, rest: str):
            name = rest.partition("/")[2]
            file = hub.repositories[model_id] / name
            if not file.is_file():
                self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            content = file.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            if name in hub.lies:
                content = bytes(255 - byte for byte in content)
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            start = 0
            if "Range" in self.headers and self.command == "GET":
                start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                hub.ranges.append((name, self.headers["Range"]))
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            limit = hub.breaks.get(name)
            cut = None if limit is None else max(0, limit - start)
            self._answer(206 if start else 200, content[start:], headers, cut)

        def _answer(self, status: int, body: bytes, headers=None, cut: int | None = None):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None and cut < len(body):
                self.wfile.flush()
                self.close_connection = True

    return Handler


def _sibling(file: Path) -> dict:
    """Large files carry a SHA-256 (LFS), small ones the hash git gives them."""
    content = file.read_bytes()
    described = {"rfilename": file.name, "size": len(content)}
    if file.suffix in {".bin", ".safetensors", ".model"}:
        sha = hashlib.sha256(content).hexdigest()
        lfs = {"sha256": sha, "size": len(content), "pointerSize": 134}
        return {**described, "blobId": "0" * 40, "lfs": lfs}
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {**described, "blobId": git}

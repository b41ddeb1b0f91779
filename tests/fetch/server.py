"""A real HTTP server on localhost that serves bytes, with ranges, and with the faults that servers have."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Faulty(ThreadingHTTPServer):
    """Serves `files` (path -> bytes); `faults` are consumed one per request, "" being none.

    ``drop:N``   closes the connection after N bytes of the body
    ``short:N``  declares N bytes, sends them, though the file is longer
    ``404``, ``503`` (with Retry-After 0), ...   that status
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.ranges = True
        self.etags = True
        self.lengths = True
        self.confirm = False
        self.page = b""
        self.pause: Callable[[], object] = lambda: None  # between blocks of the body
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, request, client_address) -> None:
        pass  # clients that go away are what the tests are about

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # the end of the connection ends the body
    server: Faulty

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        server, (path, _, query) = self.server, self.path[1:].partition("?")
        server.requests.append((self.path[1:], self.headers.get("Range")))
        fault = server.faults.pop(0) if server.faults else ""
        if server.page:
            return self._page(server.page)
        if server.confirm and "confirm=t" not in query:
            return self._page(DRIVE_PAGE)
        if fault.isdigit():
            self.send_response(int(fault))
            self.send_header("Retry-After", "0")
            return self.end_headers()
        if path not in server.files:
            return self.send_error(404)
        return self._file(server.files[path], fault)

    def _page(self, page: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Set-Cookie", "download_warning=1")
        self.end_headers()
        self.wfile.write(page)

    def _file(self, content: bytes, fault: str) -> None:
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.server.ranges else 0
        if self.headers.get("If-Range") not in (None, etag):
            start = 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.etags:
            self.send_header("ETag", etag)
        body = content[start:]
        if fault.startswith("short:"):
            body = body[: int(fault[6:])]
        if self.server.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body[: int(fault[5:])] if fault.startswith("drop:") else body)

    def _send(self, body: bytes) -> None:
        length = min(1 << 14, len(body) // 2 + 1)  # two blocks at least, so that every body can be held halfway
        for start in range(0, len(body), length):
            if start:
                self.server.pause()
            self.wfile.write(body[start : start + length])
            self.server.sent += len(body[start : start + length])


DRIVE_PAGE = b"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
<form action="/search"><input name="q" value="no"></form>
<form id="download-form" action="/file.zip" method="get"><input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="1abc"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="0-1-2"></form></body></html>"""

"""A package index on localhost that serves wheels to pip, and the settings that make pip ask it and no other."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Index(ThreadingHTTPServer):
    """Serves `wheels`: file name -> bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wheels: dict[str, bytes] = {}

    def settings(self) -> dict[str, str | None]:
        """Environment variables; None is one to be unset."""
        unset = dict.fromkeys(("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_NO_INDEX"))
        address = f"http://127.0.0.1:{self.server_address[1]}/simple/"
        own = {"PIP_INDEX_URL": address, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": os.devnull}
        return {**unset, **own, "PIP_DEFAULT_TIMEOUT": "5"}

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Index

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name in self.server.wheels:
            return self._send(self.server.wheels[name], "application/octet-stream")
        if self.path.startswith("/simple/"):
            package = self.path.split("/")[2].replace("-", "_")
            links = "".join(f'<a href="/{w}">{w}</a>' for w in self.server.wheels if w.startswith(f"{package}-"))
            return self._send(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        return self.send_error(404)

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def wheel(name: str, version: str, files: dict[str, bytes]) -> bytes:
    """A wheel with these files."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=99\n"
    described = {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, data in {**files, **described}.items():
            archive.writestr(path, data)
    return content.getvalue()

"""One HTTP request for a file, from any byte on; web pages that stand in its way are passed or reported."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from html.parser import HTMLParser
from http.cookiejar import CookieJar

from explainsal.errors import UserError

TIMEOUT = 30.0  # seconds without a byte
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be gone a moment later
PAGE_BYTES = 1 << 20
HEADERS = {"User-Agent": "explainsal (https://arxiv.org/abs/2109.03575)", "Accept-Encoding": "identity"}
NO_ANSWER = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


class PassingError(Exception):
    """The request failed in a way that may be gone a moment later; `after` is how long the server wants to be left."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class RefusedError(UserError):
    """The server will not give the file, however often one asks."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A file that begins to arrive.

    Args:
        stream: Its bytes.
        start: Position of the first of them in the file: 0 where the server cannot continue.
        total: Size of the whole file in bytes, None where the server does not say.
        version: What the server tells versions of the file apart by (ETag or date), "" where it has none.
    """

    stream: http.client.HTTPResponse
    start: int
    total: int | None
    version: str


class Client:
    """Requests that share their cookies.

    Args:
        timeout: Seconds without a byte after which a request has failed.
        trust_any: Accept a server whose TLS certificate is invalid: only for files whose checksum is known.
    """

    def __init__(self, timeout: float = TIMEOUT, *, trust_any: bool = False) -> None:
        context = ssl._create_unverified_context() if trust_any else ssl.create_default_context()
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=context))
        self._timeout = timeout

    def get(self, address: str, start: int = 0, version: str = "") -> Answer:
        """Ask for a file from byte `start` on, if it is still of that `version`.

        Raises:
            PassingError: If another try may succeed.
            RefusedError: If not.
        """
        if start:  # a page to be confirmed first would answer a request for a range of itself
            address = self._confirmed(address)
        response = self._open(address, start, version)
        if _is_page(response.headers):
            response = self._open(self._through(response, address), start, version)
            if _is_page(response.headers):
                raise RefusedError(f"{address} leads to a web page in place of the file")
        return _answer(response, start)

    def _confirmed(self, address: str) -> str:
        with self._open(address, 0, "") as response:
            return self._through(response, address) if _is_page(response.headers) else address

    def _through(self, response: http.client.HTTPResponse, address: str) -> str:
        """The address behind a page that asks for a confirmation, as Google Drive's for files that are not scanned."""
        page = response.read(PAGE_BYTES).decode("utf-8", errors="replace")
        form = _Form()
        form.feed(page)
        if form.action:
            target = urllib.parse.urljoin(response.url, form.action)
            return f"{target}{'&' if '?' in target else '?'}{urllib.parse.urlencode(form.fields)}"
        if re.search(r"quota|too many users", page, re.IGNORECASE):
            raise RefusedError(f"{address}: too many people fetched the file lately; the server allows it again later")
        raise RefusedError(f"{address} answers with a web page in place of the file")

    def _open(self, address: str, start: int, version: str) -> http.client.HTTPResponse:
        headers = dict(HEADERS)
        if start:
            headers["Range"] = f"bytes={start}-"
        if start and version:
            headers["If-Range"] = version
        try:
            return self._opener.open(urllib.request.Request(address, headers=headers), timeout=self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise _failure(error, address) from error
        except NO_ANSWER as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise RefusedError(
                    f"{address}: the server's certificate is invalid ({reason.verify_message})"
                ) from error
            kind = UnknownHostError if isinstance(reason, socket.gaierror) else PassingError
            raise kind(f"{urllib.parse.urlsplit(address).netloc} does not answer ({reason})") from error
        except ValueError as error:
            raise RefusedError(f"{address} is no address: {error}") from error


class RangeError(PassingError):
    """The server has nothing from that byte on."""


class UnknownHostError(PassingError):
    """The name of the server is not known: most likely there is no network."""


class _Form(HTMLParser):
    """Action and hidden fields of the page's download form."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag == "form":
            self._inside = "download" in values.get("id", "") + values.get("action", "")
            self.action = values.get("action", "") if self._inside else self.action
        elif tag == "input" and self._inside and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


def _failure(error: urllib.error.HTTPError, address: str) -> Exception:
    if error.code == 416:
        return RangeError(f"{address} has no such range")
    if error.code in PASSING:
        return PassingError(f"{address} answers {error.code} {error.reason}", _seconds(error.headers))
    return RefusedError(f"{address} answers {error.code} {error.reason}")


def _seconds(headers: Message) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _is_page(headers: Message) -> bool:
    return headers.get_content_type() == "text/html" and "attachment" not in headers.get("Content-Disposition", "")


def _answer(response: http.client.HTTPResponse, start: int) -> Answer:
    headers = response.headers
    etag = headers.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if response.status != 206:
        length = headers.get("Content-Length", "")
        return Answer(response, 0, int(length) if length.isdigit() else None, version)
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start:
        raise RangeError(f"asked for bytes from {start}, got {headers.get('Content-Range')!r}")
    return Answer(response, start, int(match[2]) if match[2] != "*" else None, version)

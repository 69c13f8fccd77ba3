"""A session for the browser of the same machine.

Only this machine can connect (the server listens on 127.0.0.1), only the page that was opened with
the printed address is served anything of the session (it sends a random token with every request,
which no other web page can know or send), and the server must be called by its own name (so that
no other name can be pointed at it).

=====  ==================  =======================================================================
GET    /                   the page, and its files by their names
GET    /api/state          :meth:`Session.as_json`
GET    /api/frame?n=N      a frame, JPEG
GET    /api/layer?n=N      what is marked and found in it, PNG with transparency
POST   /api/edit           :class:`ranet.annotator.edits.FrameEdit`
POST   /api/object         :class:`AddObject`; /api/object/remove: :class:`RemoveObject`
POST   /api/undo, /redo    ``{}``
POST   /api/segment        :class:`SegmentRequest`
POST   /api/export         :class:`ranet.annotator.export.ExportRequest`
POST   /api/stop           ``{}``
=====  ==================  =======================================================================

A POST takes JSON and answers with the state, and ``show``: the frame to be looked at, if there is
one, and ``select``: the object. A request that cannot be answered gets ``{"error": …}``.
"""

import hmac
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from ranet.annotator.edits import FrameEdit
from ranet.annotator.export import ExportRequest
from ranet.annotator.job import BusyError
from ranet.annotator.layer import jpeg, layer
from ranet.annotator.session import Session
from ranet.config import Section, parse_config
from ranet.errors import OutputError, RANetError

_logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
TOKEN_HEADER = "X-RANet-Token"
LARGEST_BODY = 2_000_000
"""Bytes; a long stroke has some thousand points."""

_PAGE = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

FrameNumber = Annotated[int, Field(ge=0)]


class Nothing(Section):
    """A request that needs no more words."""


class AddObject(Section):
    """``frame``: the one that is looked at."""

    frame: FrameNumber


class RemoveObject(Section):
    """Which one, and the frame that is looked at."""

    object: int
    frame: FrameNumber


class SegmentRequest(Section):
    """``backward``: also the frames before the first mark."""

    backward: bool = False


class Done(NamedTuple):
    """What the page should look at after a request; None: what it did."""

    show: int | None = None
    select: int | None = None


class _Refusal(Exception):
    """A request that is answered with a status other than 200."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class AnnotatorServer(ThreadingHTTPServer):
    """Serves a session; listens once it is made, answers in :meth:`serve_forever`.

    Args:
        session: what is shown.
        port: 0: a free one.

    Raises:
        OutputError: the port is taken.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(24)
        self.files = {f"/{path.name}": path for path in _PAGE.iterdir() if path.suffix in _TYPES}
        self.files["/"] = self.files["/page.html"]
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"Cannot listen on port {port} of {LOOPBACK}: {error}. Choose another --port, or "
                "leave it out for a free one."
            ) from error

    @property
    def names(self) -> tuple[str, ...]:
        """What the server may be called in a request."""
        return tuple(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    @property
    def url(self) -> str:
        """What to open. The token stands where browsers do not send or log it."""
        return f"http://{LOOPBACK}:{self.server_port}/#{self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: AnnotatorServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "RANet", ""
    timeout = 60.0
    """Seconds that a connection may say nothing."""

    def do_GET(self) -> None:
        """See the module."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """See the module."""
        self._answer(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """For requests that are not even HTTP, or of other methods: as all other errors."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._send(status, *_json({"error": message or status.phrase}))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for what a person should read."""

    def _answer(self, respond: Callable[[], tuple[str, bytes]]) -> None:
        """Send what ``respond`` returns, or why it cannot."""
        status = HTTPStatus.OK
        try:
            self._check_name()
            kind, body = respond()
        except Exception as error:
            status, message = _status_and_message(error)
            kind, body = _json({"error": message})
            # What is left of a request that was not read would be taken for the next one.
            self.close_connection = True
        try:
            self._send(status, kind, body)
        except (ConnectionError, TimeoutError):  # the page was closed
            self.close_connection = True

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _get(self) -> tuple[str, bytes]:
        url = urlsplit(self.path)
        if url.path in self.server.files:
            path = self.server.files[url.path]
            return f"{_TYPES[path.suffix]}; charset=utf-8", path.read_bytes()
        self._check_token()
        session = self.server.session
        if url.path == "/api/state":
            return _json(session.as_json())
        if url.path == "/api/frame":
            return "image/jpeg", jpeg(session.image(_number(url.query)))
        if url.path == "/api/layer":
            return "image/png", layer(session.labels(_number(url.query)))
        raise self._unknown(url.path, _POSTS)

    def _post(self) -> tuple[str, bytes]:
        self._check_token()
        path = urlsplit(self.path).path
        if path not in _POSTS:
            raise self._unknown(path, {**self.server.files, **dict.fromkeys(_GETS)})
        kind, act = _POSTS[path]
        request = parse_config(kind, self._body(), source="The request")
        session = self.server.session
        done = act(session, request)
        return _json({**session.as_json(), **done._asdict()})

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _Refusal(HTTPStatus.LENGTH_REQUIRED, "Expected a Content-Length.")
        if int(length) > LARGEST_BODY:
            raise _Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"Expected at most {LARGEST_BODY} bytes, found {length}. Draw in shorter strokes.",
            )
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected application/json.")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, f"Expected JSON: {error}.") from error
        if not isinstance(body, dict):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "Expected a JSON object.")
        return body

    def _check_name(self) -> None:
        """Refuse a request for another host, or from another page."""
        origins = (None, *(f"http://{name}" for name in self.server.names))
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in self.server.names or origin not in origins:
            raise _Refusal(
                HTTPStatus.FORBIDDEN,
                f"This server answers to {' and '.join(self.server.names)} only. Open the address "
                "that the terminal shows.",
            )

    def _check_token(self) -> None:
        token = self.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refusal(
                HTTPStatus.FORBIDDEN,
                "The token is missing or wrong: this page belongs to another run of the annotator. "
                "Open the address that the terminal shows.",
            )

    def _unknown(self, path: str, other_method: Mapping[str, Any]) -> _Refusal:
        if path in other_method:
            return _Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes no {self.command}.")
        return _Refusal(HTTPStatus.NOT_FOUND, f"There is nothing at {path}.")


def _edit(session: Session, request: FrameEdit) -> Done:
    session.edit(request.frame, request.edit)
    return Done()


def _add_object(session: Session, request: AddObject) -> Done:
    return Done(select=session.add_object(request.frame))


def _remove_object(session: Session, request: RemoveObject) -> Done:
    session.remove_object(request.object, request.frame)
    return Done()


def _undo(session: Session, request: Nothing) -> Done:
    return Done(show=session.undo())


def _redo(session: Session, request: Nothing) -> Done:
    return Done(show=session.redo())


def _segment(session: Session, request: SegmentRequest) -> Done:
    session.segment(backward=request.backward)
    return Done()


def _export(session: Session, request: ExportRequest) -> Done:
    session.export(request)
    return Done()


def _stop(session: Session, request: Nothing) -> Done:
    session.stop()
    return Done()


_GETS = ("/api/state", "/api/frame", "/api/layer")

_POSTS: dict[str, tuple[type[Section], Callable[[Session, Any], Done]]] = {
    "/api/edit": (FrameEdit, _edit),
    "/api/object": (AddObject, _add_object),
    "/api/object/remove": (RemoveObject, _remove_object),
    "/api/undo": (Nothing, _undo),
    "/api/redo": (Nothing, _redo),
    "/api/segment": (SegmentRequest, _segment),
    "/api/export": (ExportRequest, _export),
    "/api/stop": (Nothing, _stop),
}


def _status_and_message(error: Exception) -> tuple[HTTPStatus, str]:
    if isinstance(error, _Refusal):
        return error.status, str(error)
    if isinstance(error, BusyError):
        return HTTPStatus.CONFLICT, str(error)
    if isinstance(error, RANetError):
        return HTTPStatus.BAD_REQUEST, str(error)
    _logger.error("a request failed", exc_info=error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, (
        "Something went wrong, which is a mistake of this program: "
        f"{type(error).__name__}: {error}. The terminal tells more; please report it."
    )


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value, allow_nan=False).encode()


def _number(query: str) -> int:
    """``n`` of a query."""
    (text,) = parse_qs(query).get("n", [""])[:1]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _Refusal(
            HTTPStatus.BAD_REQUEST, f"Expected the number of a frame, n, found {text!r}."
        )
    return int(text)

"""A session for the browser of the same machine.

Only this machine can connect (the server listens on 127.0.0.1), only the page that was opened with
the printed address is served anything of the session (it sends a random token with every request,
which no other web page can know or send), and the server must be called by its own name (so that
no other name can be pointed at it).

A POST to ``/api/ACTION`` calls a method of :class:`Session` with the arguments that JSON holds by
their names, and answers with the state and, where there is one, ``show``: the frame to be looked
at, or ``select``: the object. What cannot be answered gets ``{"error": …}``.
"""

import hmac
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2
import numpy as np
from pydantic import ValidationError

from ranet.annotator.session import MISTAKE, BusyError, Session
from ranet.errors import DataError, OutputError, RANetError
from ranet.visual.overlay import object_layer

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles
except ImportError as missing:
    raise RANetError(
        f"The annotator's page needs a package that is not installed ({missing}). Install the "
        "extra: `pip install -e '.[annotator]'`."
    ) from missing

_logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
TOKEN_HEADER = "X-RANet-Token"
LARGEST_BODY = 2_000_000
"""Bytes; a long stroke has some thousand points."""

_ACTIONS = {
    "edit": "done",
    "add_object": "select",
    "remove_object": "done",
    "step": "show",
    "segment": "done",
    "export": "done",
    "stop": "done",
}
"""What the page can ask for, and what it calls the result: the object or frame to be looked at."""

_PAGE = Path(__file__).with_name("page")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AnnotatorServer(uvicorn.Server):
    """Serves a session; listens once it is made, answers in :meth:`run`.

    Args:
        session: what is shown.
        port: 0: a free one.

    Raises:
        OutputError: the port is taken.
    """

    def __init__(self, session: Session, port: int = 0) -> None:
        try:
            self._listener = socket.create_server((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"Cannot listen on port {port} of {LOOPBACK}: {error}. Choose another --port, or "
                "leave it out for a free one."
            ) from error
        self.port: int = self._listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.url = f"http://{LOOPBACK}:{self.port}/#{token}"
        """What to open. The token stands where browsers do not send or log it."""
        super().__init__(
            uvicorn.Config(
                application(session, token, self.port),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,  # the terminal is for what a person should read
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=3,
            )
        )

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer until ``should_exit`` is set, or a signal comes, and end as that does."""
        super().run(sockets or [self._listener])


def application(session: Session, token: str, port: int) -> Starlette:
    """What answers: an ASGI application.

    Args:
        session: what is shown.
        token: that requests for anything of the session must carry.
        port: where it is served.
    """

    def state(request: Request) -> Response:
        return JSONResponse(session.as_json())

    def frame(request: Request) -> Response:
        return Response(_jpeg(session.image(request.path_params["n"])), media_type="image/jpeg")

    def layer(request: Request) -> Response:
        return Response(_layer(session.labels(request.path_params["n"])), media_type="image/png")

    async def act(request: Request) -> Response:
        action = request.path_params["action"]
        if action not in _ACTIONS:
            raise HTTPException(404, "There is no such action")
        try:
            arguments = await request.json()
        except ValueError as error:
            raise HTTPException(400, f"Expected JSON: {error}") from error
        if not isinstance(arguments, dict):
            raise HTTPException(400, "Expected a JSON object")
        result = await run_in_threadpool(getattr(session, action), **arguments)
        told = await run_in_threadpool(session.as_json)
        return JSONResponse({**told, _ACTIONS[action]: result})

    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            _check(request, token, port)
            response = await answer(request)
        except Exception as error:
            response = _refusal(request, error)
        response.headers.update(_HEADERS)
        return response

    return Starlette(
        routes=[
            Route("/api/state", state),
            Route("/api/frame/{n:int}", frame),
            Route("/api/layer/{n:int}", layer),
            Route("/api/{action}", act, methods=["POST"]),
            Route("/", lambda request: FileResponse(_PAGE / "page.html")),
            Mount("/", StaticFiles(directory=_PAGE)),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)],
        exception_handlers={HTTPException: _refusal},  # its own, too, as JSON
    )


def _check(request: Request, token: str, port: int) -> None:
    """Raise HTTPException for a request that another page may have made, or that is too large."""
    names = [f"{name}:{port}" for name in (LOOPBACK, "localhost")]
    headers = request.headers
    origins = (None, *(f"http://{name}" for name in names))
    if headers.get("Host") not in names or headers.get("Origin") not in origins:
        raise HTTPException(
            403, f"Only {' and '.join(names)} are answered: open the address in the terminal"
        )
    if not request.scope["path"].startswith("/api/"):  # the page itself tells nothing
        return
    if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        raise HTTPException(
            403,
            "The token is missing or wrong: this page belongs to another run of the annotator, "
            "open the address in the terminal",
        )
    if request.method == "POST":
        length = headers.get("Content-Length", "")
        if not length.isdecimal():
            raise HTTPException(411, "Expected a Content-Length")
        if int(length) > LARGEST_BODY:
            raise HTTPException(413, f"Expected at most {LARGEST_BODY} bytes, found {length}")
        if headers.get("Content-Type") != "application/json":
            raise HTTPException(415, "Expected application/json")


def _refusal(request: Request, error: Exception) -> Response:
    """What the page shows in the place of an answer."""
    status, said = 400, str(error)
    if isinstance(error, HTTPException):
        status, said = error.status_code, f"{error.detail}."
    elif isinstance(error, BusyError):
        status = 409
    elif isinstance(error, ValidationError):
        wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        said = f"{request.url.path}: {'; '.join(wrong)}."
    elif not isinstance(error, RANetError):
        _logger.error("a request failed", exc_info=error)
        status, said = 500, MISTAKE.format(f"{type(error).__name__}: {error}")
    # What is left of a body that is too large is not read.
    return JSONResponse({"error": said}, status, {"Connection": "close"} if status == 413 else None)


def _jpeg(image: np.ndarray) -> bytes:
    """An image H×W×3 uint8 RGB as a JPEG file."""
    return _encoded(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), cv2.IMWRITE_JPEG_QUALITY, 92)


def _layer(labels: np.ndarray) -> bytes:
    """Objects, H×W uint8, to be laid over a frame, as a PNG file with transparency."""
    contour = max(1, round(min(labels.shape) / 360))
    layer = object_layer(labels, alpha=140, contour=contour)
    bgra = cv2.cvtColor(layer, cv2.COLOR_RGBA2BGRA)
    return _encoded(".png", bgra, cv2.IMWRITE_PNG_COMPRESSION, 1)


def _encoded(ending: str, pixels: np.ndarray, option: int, value: int) -> bytes:
    done, data = cv2.imencode(ending, pixels, (option, value))
    if not done:
        raise DataError(f"OpenCV cannot encode a picture of {pixels.shape} as {ending}.")
    return data.tobytes()

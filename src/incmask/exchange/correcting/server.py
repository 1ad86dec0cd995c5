"""The server of the page: for this machine alone, for who knows the address, and for nothing but the desk."""

import os
import re
import secrets
import socketserver
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, fail
from incmask.exchange.correcting.desk import Corrected, Desk
from incmask.exchange.correcting.page import page, policy

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
"""What a browser may call this machine; another name that leads here is somebody else's page."""

_TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png", ".jpg": "image/jpeg", ".bmp": "image/bmp"}
_BYTES = "application/octet-stream"
_INDEX = re.compile(r"(image|label|models)/(0|[1-9]\d{0,7})", re.ASCII)
_PATIENCE_S = 30


class _Answer(NamedTuple):
    status: HTTPStatus = HTTPStatus.OK
    content: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    is_last: bool = False


class _RefusedError(Exception):
    """What is asked is not answered; the status says why."""

    def __init__(self, status: HTTPStatus, told: str):
        self.answer = _Answer(status, told.encode())
        super().__init__(told)


class CorrectionServer(ThreadingHTTPServer):
    """Serves the page of a desk on the loopback address.

    Args:
        desk: what is corrected.
        port: where it listens; 0: any that is free.

    Attributes:
        desk: the same.
        token: without it nothing is answered; another one each time.

    Raises:
        IncmaskError: the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there two servers might share a port

    def __init__(self, desk: Desk, port: int = 0):
        self.desk, self.token = desk, secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise fail(option("port", port), f"cannot be used ({error})", "leave it out, or give another") from error

    def server_bind(self) -> None:
        """Bind, and ask no name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    @property
    def address(self) -> str:
        """Give the address of the page."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Give what the header ``Host`` of a request to this server may be."""
        return tuple(f"{name}:{self.server_port}" for name in _NAMES)

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over connections that break off, as browsers do that."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: CorrectionServer
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        self._answer(self._got)

    def do_POST(self) -> None:
        self._answer(self._posted)

    def version_string(self) -> str:
        return "incmask"

    def log_message(self, *told: object) -> None:
        """Say nothing on the terminal."""

    def _answer(self, answer: Callable[[str], _Answer]) -> None:
        try:
            given = answer(self._asked())
        except _RefusedError as refused:
            given = refused.answer
        except IncmaskError as error:
            given = _Answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error).encode())
        if given.status != HTTPStatus.OK:
            self.close_connection = True  # a body may be left unread
        self._send(given)
        if given.is_last:
            self.server.shutdown()

    def _asked(self) -> str:
        """Give what is asked for below the token, of a request that may ask."""
        if self.headers.get("Host") not in self.server.hosts:
            raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
        _, token, *rest = (*self.path.split("/", 2), "")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "open the address that the command told")
        return rest[0]

    def _got(self, asked: str) -> _Answer:
        desk = self.server.desk
        if not asked:
            return _Answer(content=page(desk), kind=_TYPES[".html"])
        what, index = self._place(asked)
        if what == "image":
            content, ending = desk.picture(index)
            return _Answer(content=content, kind=_TYPES[ending])
        mask = desk.mask(index) if what == "label" else desk.models_mask(index)
        return _Answer(content=desk.planes.pack(mask), kind=_BYTES)

    def _posted(self, asked: str) -> _Answer:
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "another page asks")
        desk = self.server.desk
        if asked == "finish":
            self._body(0)
            return _Answer(content=desk.corrected().next_step.encode(), is_last=True)
        what, index = self._place(asked)
        if what != "label":
            raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "only labels are saved")
        size = desk.images[index].size
        desk.save(index, desk.planes.unpack(self._body(desk.planes.num_bytes(size)), size))
        return _Answer()

    def _place(self, asked: str) -> tuple[str, int]:
        found = _INDEX.fullmatch(asked)
        if found is None or int(found[2]) >= len(self.server.desk.images):
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such image")
        return found[1], int(found[2])

    def _body(self, num_bytes: int) -> bytes:
        """Read the body, which has so many bytes and is read for no others."""
        told = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,12}", told, re.ASCII) or "Transfer-Encoding" in self.headers:
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "the length of the mask is not told")
        if int(told) != num_bytes:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(told) > num_bytes else HTTPStatus.BAD_REQUEST
            raise _RefusedError(status, f"the mask has {told} bytes where {num_bytes} belong")
        if num_bytes and self.headers.get("Content-Type") != _BYTES:
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a mask is sent as bytes")
        content = self.rfile.read(num_bytes)
        if len(content) < num_bytes:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "the mask broke off")
        return content

    def _send(self, given: _Answer) -> None:
        self.send_response(given.status)
        for name, value in {
            "Content-Type": given.kind,
            "Content-Length": str(len(given.content)),
            "Content-Security-Policy": policy(),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **({"Connection": "close"} if self.close_connection else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(given.content)


def serve(desk: Desk, *, port: int, open_browser: bool, say: Callable[[str], None]) -> Corrected:
    """Serve the page until a person ends it there, or with Ctrl-C.

    Args:
        desk: what is corrected.
        port: where to listen; 0: any that is free.
        open_browser: let the browser open the page.
        say: is told the address.
    """
    with CorrectionServer(desk, port) as server, suppress(KeyboardInterrupt):
        say(f"correct at {server.address}\nend with Finish there, or with Ctrl-C here; every image is saved at once")
        if open_browser and _has_window():
            webbrowser.open(server.address)
        server.serve_forever()
    return desk.corrected()


def _has_window() -> bool:
    """Tell whether the browser is one with a window: one of text would take the terminal."""
    try:
        return type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        return False

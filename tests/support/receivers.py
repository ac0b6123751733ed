"""Real receivers of notifications: an HTTP server and a mail server, that fail as they are told to."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a request is answered.

    Args:
        status: Of HTTP; 0 closes the connection without a word.
        headers: Of the answer.
        seconds: How long it takes before anything is answered.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    taken: bool

    @property
    def json(self) -> Any:
        """What it says."""
        return json.loads(self.body)


class WebReceiver:
    """An HTTP server that answers the next requests as it was told, and then with 200."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.next: list[Behaviour] = []
        self.usual = Behaviour()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._answer(self)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        behaviour = self.next.pop(0) if self.next else self.usual
        taken = behaviour.status in range(200, 300) and not behaviour.seconds
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.received.append(Received(request.path, headers, body, time.monotonic(), taken))
        time.sleep(behaviour.seconds)
        if behaviour.status == 0:
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(behaviour.status)
        for name, text in {**behaviour.headers, "Content-Length": "0"}.items():
            request.send_header(name, text)
        request.end_headers()

    @property
    def taken(self) -> list[Received]:
        """The requests that it answered well."""
        return [each for each in self.received if each.taken]

    def alarms(self) -> list[str]:
        """List id and number of the changes in all webhooks that were taken, in the order in which they came."""
        return [f"{alarm['id']}/{alarm['number']}" for each in self.taken for alarm in each.json["alarms"]]

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def web_receiver() -> Iterator[WebReceiver]:
    """Run an HTTP server."""
    receiver = WebReceiver()
    try:
        yield receiver
    finally:
        receiver.close()


class MailReceiver:
    """A mail server that speaks as much of SMTP as a mail needs (RFC 5321); answers RCPT as it is told."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.refusals: list[str] = []
        """Answers to the next recipients, instead of ``250``."""
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        # Who only asks whether somebody is there hangs up in the middle of it.
        with suppress(ConnectionError), connection, connection.makefile("rwb") as stream:

            def say(text: str) -> None:
                stream.write(text.encode() + b"\r\n")
                stream.flush()

            say("220 test")
            while line := stream.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    say("354 go on")
                    self.mails.append(_read_mail(stream))
                    say("250 taken")
                elif verb == b"RCPT":
                    say(self.refusals.pop(0) if self.refusals else "250 yes")
                elif verb == b"QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 yes")

    def close(self) -> None:
        """End."""
        self._server.close()


def _read_mail(stream: Any) -> str:
    lines: list[bytes] = []
    while (line := stream.readline()) not in (b".\r\n", b""):
        lines.append(line)
    return b"".join(lines).decode()


@contextmanager
def mail_receiver() -> Iterator[MailReceiver]:
    """Run a mail server."""
    receiver = MailReceiver()
    try:
        yield receiver
    finally:
        receiver.close()

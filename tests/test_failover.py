"""A failover of Redis beneath a running web server and worker: nothing acknowledged is lost."""

from __future__ import annotations

import threading

from processes import running, until
from sentinels import sentinel_set
from servers import SERVERS, Web, is_ack, serve_shop, shop_environment
from support import message


class Sender(threading.Thread):
    """Sends one callback after the other, until told to stop; ``acknowledged`` are transactions."""

    def __init__(self, web: Web) -> None:
        super().__init__()
        self._web = web
        self._stopping = threading.Event()
        self.sent = 0
        self.acknowledged = 0

    def run(self) -> None:
        """Send."""
        while not self._stopping.is_set():
            transaction = f"t-{self.sent}"
            self.sent += 1
            answer = self._web.post("/webhooks/smsbox", message(transaction))
            self.acknowledged += is_ack(answer, transaction)

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()
        self.join()


def test_each_callback_over_a_failover_has_its_ack_and_is_handled() -> None:
    with sentinel_set() as redis:
        environment = shop_environment(redis.url)
        with serve_shop(SERVERS["granian"], **environment) as web:
            worker = ("flask", "--app", "shop", "receiver", "worker")
            with running(*worker, folder=web.folder, **environment):
                sender = Sender(web)
                sender.start()
                until(lambda: sender.acknowledged >= 50, "callbacks before the failover")
                before = redis.current_master_port()
                redis.kill_master()
                until(lambda: redis.current_master_port() != before, "a new master")
                reached = sender.acknowledged
                until(lambda: sender.acknowledged >= reached + 50, "callbacks after the failover")
                sender.stop()
                assert sender.acknowledged == sender.sent
                until(lambda: len(set(web.handled())) == sender.sent, "all handlers")

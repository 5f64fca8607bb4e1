"""How each kind of process dies under load, and what then goes on, by itself or by its operator."""

from __future__ import annotations

import signal
from dataclasses import replace

from deployed import LEDGER, Deployed
from processes import until
from traffic import Traffic
from victim import Step

_KILLED = -signal.SIGKILL
_WEB_DIED = "Unexpected exit from worker"  # granian's words
_WORKER_DIED = "exit=-9"  # our supervisor's
_WAITING = 200  # open jobs: more than one batch of the sweeper
_DEAD_LETTERS = 10


def web_dies(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """The server replaces the process; the other one answers meanwhile."""
    shop.work()
    shop.serve(step)
    with traffic.flowing():
        shop.wait_for_kills(step.most)
        shop.wait_for_log(_WEB_DIED, step.most)


def web_dies_without_redis(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """Callbacks go to the spool; Redis comes back after the deaths."""
    shop.work()
    shop.serve(step)
    with traffic.flowing():
        until(lambda: len(traffic.acked) > 40, "some acks")
        shop.own_redis.stop()
        shop.wait_for_kills(step.most)
        shop.wait_for_log(_WEB_DIED, step.most)
        acked = len(traffic.acked)
        until(lambda: len(traffic.acked) > acked + 20, "acks after the deaths")
        shop.own_redis.start()


def web_dies_when_redis_is_back(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """Callbacks wait in the spool; who drains it dies of that, and another one goes on."""
    shop.work()
    shop.serve(step)
    with traffic.flowing():
        shop.own_redis.stop()
        until(lambda: len(traffic.acked) > 100, "callbacks in the spool")
        shop.own_redis.start()
        shop.wait_for_kills(step.most)
        shop.wait_for_log(_WEB_DIED, step.most)


def worker_dies(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """The supervisor gives back its claims and replaces it."""
    shop.work(step)
    shop.serve()
    with traffic.flowing():
        shop.wait_for_kills(step.most)
        shop.wait_for_log(_WORKER_DIED, step.most)
        shop.wait_for_workers()


def supervisor_dies(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """Its workers finish what they have in hand and end; a new one goes on at once."""
    supervisor = shop.work(step)
    shop.serve()
    with traffic.flowing():
        assert supervisor.wait(30) == _KILLED
        shop.work()
        shop.wait_for_kills(step.most)


def supervisor_dies_and_its_workers_end(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """The same, until the last of them has ended."""
    supervisor = shop.work(step)
    shop.serve()
    with traffic.flowing():
        assert supervisor.wait(30) == _KILLED
        shop.work()
        until(lambda: shop.nobody_is_left_of(supervisor), "its workers to end")


def all_die_at_once(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """Nobody is left to give the claims back: that is for the next ones, half a minute later."""
    supervisor = shop.work(step)
    shop.serve()
    with traffic.flowing():
        assert supervisor.wait(30) == _KILLED
        until(lambda: shop.nobody_is_left_of(supervisor), "all to be dead")
        shop.forget_dead_workers()
        shop.work()


def sweeper_dies(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """Jobs are lost by somebody else's tool; a worker command dies while it looks for them."""
    shop.serve()
    with traffic.flowing():
        until(lambda: shop.redis.zcard(LEDGER) >= _WAITING, "jobs that wait")
        shop.redis.delete("rq:queue:receiver-messages", "rq:queue:receiver-reports")
        shop.let_time_pass()
        assert shop.run("worker", "--burst", step=step) == _KILLED
        shop.work()
    shop.let_time_pass()
    assert shop.run("worker", "--burst") == 0


def retry_dies(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """An operator mends the shop and retries the dead letters; the command dies in the middle."""
    shop.work()
    shop.serve()
    with traffic.flowing():
        shop.wait_for_dead_letters(_DEAD_LETTERS)
        shop.mend()
        assert shop.run("failed", "retry", "--all", step=step) == _KILLED
    shop.wait_until_all_is_settled()
    assert shop.run("failed", "retry", "--all") == 0


def redis_dies(shop: Deployed, step: Step, traffic: Traffic) -> None:
    """Whatever is going on; it is started again on its data."""
    step = replace(step, kills=shop.redis.info()["process_id"])
    in_web = step.only == "accept"
    shop.work(None if in_web else step)
    shop.serve(step if in_web else None)
    with traffic.flowing():
        shop.wait_for_kills(step.most)
        shop.own_redis.terminate()
        acked = len(traffic.acked)
        until(lambda: len(traffic.acked) > acked + 20, "acks without Redis")
        shop.own_redis.start()

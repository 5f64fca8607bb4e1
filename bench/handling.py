"""Row 4: how fast one worker process works off a queue that was filled before, ours and others'.

No worker is asked: the queue's length tells, from a moment after it began to shrink, so that the
start of the process is not counted.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import rows
from .fill import fill
from .plan import Plan
from .programs import BenchError, log_of, running, scratch, wait_until
from .servers import OURS, OwnRedis, environment_of
from .table import Line
from .venvs import PEERS, python_of

MESSAGES = "rq:queue:receiver-messages"

_SETTLING_SECONDS = 0.3
_LOOK_SECONDS = 0.01
_MARGIN = 1.5  # what is filled in, to what is worked off in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of worker: what its Python is given, its queue's key, its speed a second, about."""

    title: str
    peer: str
    command: str
    queue: str
    speed: int
    limits: tuple[float | None, float | None] = (None, None)


_WORKER = "-m flask --app bench.ours receiver worker"
_CELERY = "-m celery -A flask_celery:celery worker --concurrency 1 --loglevel WARNING"
_CELERY += " --without-gossip --without-mingle --pool"

BURST = Kind(
    title=f"{OURS} worker --burst",
    peer=OURS,
    command=f"{_WORKER} --burst",
    queue=MESSAGES,
    speed=3_500,
)
SUPERVISED = Kind(
    title=f"{OURS} worker --processes 1",
    peer=OURS,
    command=f"{_WORKER} --processes 1",
    queue=MESSAGES,
    speed=3_500,
)
_OTHERS = (
    Kind(
        title="Celery prefork -c 1",
        peer="flask_celery",
        command=f"{_CELERY} prefork",
        queue="celery",
        speed=1_500,
        limits=rows.CELERY,
    ),
    Kind(
        title="Huey -w 1",
        peer="flask_huey",
        command="-m huey.bin.huey_consumer flask_huey.huey --workers 1 --quiet",
        queue="huey.redis.callbacks",
        speed=3_500,
        limits=rows.HUEY,
    ),
    Kind(
        title="Celery solo",
        peer="flask_celery",
        command=f"{_CELERY} solo",
        queue="celery",
        speed=2_000,
    ),
    Kind(
        title="rq Worker",
        peer="flask_rq",
        command="-m rq_worker Worker",
        queue="rq:queue:callbacks",
        speed=150,
    ),
    Kind(
        title="rq SimpleWorker",
        peer="flask_rq",
        command="-m rq_worker SimpleWorker",
        queue="rq:queue:callbacks",
        speed=600,
    ),
    Kind(
        title="dramatiq, 1 process of 8 threads",
        peer="dramatiq_actor",
        command="-m dramatiq dramatiq_actor --processes 1",
        queue="dramatiq:default",
        speed=1_500,
    ),
)


def handled(plan: Plan) -> list[Line]:
    """Measure row 4: one worker after the other, on a queue of its own each time."""
    kinds = (BURST, SUPERVISED, *_OTHERS)
    found: dict[str, list[float]] = {kind.title: [] for kind in kinds}
    with scratch() as folder:
        redis = OwnRedis(folder)
        with redis.running():
            for _ in range(plan.repeats):
                for kind in kinds:
                    found[kind.title].append(_one(kind, redis, folder, plan))
    ours, supervised = found[BURST.title], found[SUPERVISED.title]
    lines = [
        Line(
            what="one process, --burst",
            unit="/s",
            ours=ours,
            peer=kind.title,
            theirs=found[kind.title],
            must=kind.limits[0],
            goal=kind.limits[1],
        )
        for kind in _OTHERS
    ]
    beside = Line(
        what="the messages' one of 3", unit="/s", ours=supervised, peer=BURST.title, theirs=ours
    )
    return [*lines, beside]


def _one(kind: Kind, redis: OwnRedis, folder: Path, plan: Plan) -> float:
    database = redis.database()
    environment = environment_of(kind.peer, redis.url(database))
    count = int(kind.speed * (plan.seconds + _SETTLING_SECONDS) * _MARGIN)
    if kind.peer == OURS:
        fill(folder, environment, count)
    else:
        _fill_peer(kind.peer, environment, count)
    with redis.client(database) as client:
        with working(kind, folder, environment) as log:
            rate = emptied_per_second(lambda: client.llen(kind.queue), plan.seconds, log)
        client.flushdb()
    return rate


@contextmanager
def working(kind: Kind, folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Run a worker while the block runs; gives its log."""
    python = sys.executable if kind.peer == OURS else python_of(kind.peer)
    with running([python, *kind.command.split()], folder, environment, kind.peer):
        yield log_of(folder, kind.peer)


def emptied_per_second(length: Callable[[], int], seconds: float, log: Path) -> float:
    """Tell how fast a queue shrinks, for so many seconds or until it is empty."""
    full = length()
    wait_until(lambda: length() < full, "a worker's first job", log, every=_LOOK_SECONDS)
    time.sleep(_SETTLING_SECONDS)
    before, began = length(), time.perf_counter()
    left, now = before, began
    while now < began + seconds:
        time.sleep(_LOOK_SECONDS)
        found, at = length(), time.perf_counter()
        if not found:
            break
        left, now = found, at
    if now == began:
        raise BenchError("the queue was empty before anything could be measured")
    return (before - left) / (now - began)


def _fill_peer(peer: str, environment: Mapping[str, str], count: int) -> None:
    command = [python_of(peer), str(PEERS / "fill.py"), peer, str(count)]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"the queue of {peer} could not be filled:\n{done.stderr[-2000:]}")

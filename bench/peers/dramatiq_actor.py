"""A dramatiq actor that does nothing, on Redis."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor
def handle(callback):
    """The task, which does nothing."""


enqueue = handle.send

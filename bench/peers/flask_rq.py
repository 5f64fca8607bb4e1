"""Flask + RQ as a user writes it: the callback into a queue, nothing checked."""

import os

from flask import Flask, request
from redis import Redis
from rq import Queue

app = Flask(__name__)
queue = Queue("callbacks", connection=Redis.from_url(os.environ["REDIS_URL"]))


def handle(callback):
    """The task, which does nothing."""


def enqueue(callback):
    queue.enqueue(handle, callback)


@app.post("/webhooks/smsbox")
def webhook():
    callback = request.get_json()
    queue.enqueue(handle, callback)
    return {"transaction_id": callback["transaction_id"], "successful": True}

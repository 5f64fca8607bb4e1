"""Flask + Celery; results off and prefetching up, as its guide says for many short tasks."""

import os

from celery import Celery
from flask import Flask, request

app = Flask(__name__)
celery = Celery("flask_celery", broker=os.environ["REDIS_URL"])
celery.conf.task_ignore_result = True
celery.conf.worker_prefetch_multiplier = 64


@celery.task(name="handle")
def handle(callback):
    """The task, which does nothing."""


enqueue = handle.delay


@app.post("/webhooks/smsbox")
def webhook():
    callback = request.get_json()
    handle.delay(callback)
    return {"transaction_id": callback["transaction_id"], "successful": True}

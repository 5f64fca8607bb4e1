"""Flask + Huey; results off, as nobody reads them."""

import os

from flask import Flask, request
from huey import RedisHuey

app = Flask(__name__)
huey = RedisHuey("callbacks", results=False, url=os.environ["REDIS_URL"])


@huey.task()
def handle(callback):
    """The task, which does nothing."""


enqueue = handle


@app.post("/webhooks/smsbox")
def webhook():
    callback = request.get_json()
    handle(callback)
    return {"transaction_id": callback["transaction_id"], "successful": True}

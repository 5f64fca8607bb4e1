"""The least that a Flask webhook can cost: a view that does nothing."""

from flask import Flask

app = Flask(__name__)


@app.post("/webhooks/smsbox")
def webhook():
    return ""

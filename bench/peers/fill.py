"""Put so many callbacks into a peer's queue: ``fill.py MODULE COUNT``."""

import sys
from importlib import import_module

CALLBACK = {
    "from": "+255712345678",
    "to": "15000",
    "channel": "sms",
    "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT",
    "message": {"text": "BALANCE please, for my account", "media": {}, "custom": {}},
    "billing": {"currency": "TZS", "subscriber_price": "0", "billing_price": "0"},
}


def fill(module, count):
    enqueue = import_module(module).enqueue
    for number in range(count):
        enqueue({**CALLBACK, "transaction_id": f"t-{number}"})


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))

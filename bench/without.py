"""Our app with a step of an ack left out, so that `bench.where` can tell what the step costs.

BENCH_WITHOUT in the environment names it; what such an app acknowledges is nowhere.
"""

from __future__ import annotations

import os

from receiver.intake import Intake
from receiver.store.connection import Connection
from receiver.web.webhook import Answer, Webhooks

from .ours import app
from .where import STEPS

__all__ = ["app"]

_ACK = Answer(200, b'{"transaction_id": "1", "successful": true}')

# In the order of the steps: each leaves out what the one before it does, and more.
_INSTEAD: tuple[tuple[tuple[type, str, object], ...], ...] = (
    (),
    ((Connection, "run_durably", lambda *_: [1]),),
    ((Intake, "accept", lambda *_: 1),),
    ((Webhooks, "answer", lambda *_: _ACK),),
)

for place, name, instead in dict(zip(STEPS, _INSTEAD, strict=True))[os.environ["BENCH_WITHOUT"]]:
    setattr(place, name, instead)

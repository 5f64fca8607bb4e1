"""How a callback gets to the app under test: with the account's key, from its network."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from flask import Flask

from ..accounts import Account
from ..deployment import Deployment
from .callbacks import Callback


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the app answered; ``quarantined`` is why the body could not be read, if it could not."""

    status: int
    body: str
    quarantined: str | None


def post(app: Flask, parts: Deployment, account: Account, callback: Callback) -> Answered:
    """Post a callback; where no key can be sent as Basic user name, to the signed URL."""
    path = f"{parts.settings.url_prefix}/{account.name}"
    headers = dict(callback.headers)
    if account.api_keys and account.key_in in (None, "basic"):
        word = base64.b64encode(f"{account.api_keys[0]}:".encode()).decode("ascii")
        headers["Authorization"] = f"Basic {word}"
    else:
        path += f"/{parts.urls.make(account.name)}"
    caller = str(account.networks[0][0]) if account.networks else "127.0.0.1"
    answer = app.test_client().post(
        path, data=callback.body, headers=headers, environ_overrides={"REMOTE_ADDR": caller}
    )
    return Answered(
        status=answer.status_code,
        body=answer.get_data(as_text=True),
        quarantined=answer.headers.get("Receiver-Quarantined"),
    )

"""Callbacks as each provider sends them: body, headers and content type, for tests.

>>> from receiver.testing.callbacks import lefoka, smsbox
>>> callback = smsbox.inbound(text="BALANCE", sender="+255712345678")
>>> callback.provider, callback.headers
('smsbox', {'Content-Type': 'application/json'})
>>> lefoka.report(status="failed", id="m-1").body[:13]
b'{"id": "m-1",'

They carry no key: the fixture `sms` adds the account's own. What a provider that pushes nothing
would send cannot be asked for:

>>> from receiver.testing.callbacks import kobomobile
>>> kobomobile.report()
Traceback (most recent call last):
AttributeError: kobomobile pushes nothing: its reports are asked for. Use sms.take(report(...)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from ..dev import callbacks as shapes
from ..dev.callbacks import Shape, Wish

_SMSBOX: Mapping[str, Shape] = {
    "json": shapes.smsbox_inbound,
    "form": shapes.smsbox_form,
    "node": shapes.smsbox_node,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback of ``provider``; make one by hand for a provider of your own."""

    provider: str
    body: bytes = field(repr=False)
    content_type: str = "application/json"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that come with it, but for the key."""
        return {"Content-Type": self.content_type}


class _Lefoka:
    """Lefoka's callbacks."""

    def report(
        self,
        *,
        status: str = "delivered",
        recipient: str | tuple[str, ...] = "+27637885448",
        text: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
    ) -> Callback:
        """Make a delivery report; ``recipient`` may be several, ``id`` is the message's."""
        numbers = (recipient,) if isinstance(recipient, str) else recipient
        wish = Wish(id=id, text=text, recipients=numbers, status=status)
        return _callback("lefoka", shapes.lefoka_report(wish))

    def reply(
        self,
        text: str = "hello",
        *,
        sender: str | tuple[str, ...] = "+27637885448",
        id: str | None = None,  # noqa: A002
    ) -> Callback:
        """Make a reply; with several senders it does not say which of them wrote."""
        numbers = (sender,) if isinstance(sender, str) else sender
        return _callback("lefoka", shapes.lefoka_reply(Wish(id=id, text=text, recipients=numbers)))


class _SMSBox:
    """SMSBox's callbacks."""

    def inbound(
        self,
        text: str = "hello",
        *,
        sender: str = "+255701000000",
        recipient: str = "+255701000001",
        id: str | None = None,  # noqa: A002
        form: Literal["json", "form", "node"] = "json",
    ) -> Callback:
        """Make a message; ``form`` is how it is written: as documented, a form, the Node sample."""
        wish = Wish(id=id, text=text, sender=sender, recipients=(recipient,))
        return _callback("smsbox", _SMSBOX[form](wish))


@dataclass(frozen=True, slots=True)
class _Silent:
    """A provider that pushes nothing."""

    name: str
    why: str

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"{self.name} pushes nothing: {self.why}. Use sms.take(report(...)).", name=name
        )


def garbage(provider: str) -> Callback:
    """Make a body that nobody can read, which goes to the quarantine."""
    return _callback(provider, shapes.garbage(Wish()))


def _callback(provider: str, made: shapes.Callback) -> Callback:
    return Callback(provider=provider, body=made.body, content_type=made.content_type)


lefoka = _Lefoka()
smsbox = _SMSBox()
kobomobile = _Silent("kobomobile", "its reports are asked for")
bearer = _Silent("bearer", "its reports are asked for, with status_path")
keyed = _Silent("keyed", "nothing is known of what becomes of its SMS")

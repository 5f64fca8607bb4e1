"""What tests of handlers and of providers need; importing it needs no pytest.

`inbound` and `report` make events, so that a handler is tested by calling it:

>>> from receiver.testing import inbound
>>> def shout(message):
...     return message.text.upper()
>>> shout(inbound(text="hello"))
'HELLO'

`ProviderContract` holds the tests that every provider must pass, also one of a third party.
"""

from .contract import ProviderContract
from .samples import MessageFields, ReportFields, inbound, report

__all__ = ["MessageFields", "ProviderContract", "ReportFields", "inbound", "report"]

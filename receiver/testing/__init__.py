"""What tests of handlers and of providers need; importing it needs no pytest.

`inbound`, `report` and `alarm` make events, so that a handler is tested by calling it:

>>> from receiver.testing import inbound
>>> def shout(message):
...     return message.text.upper()
>>> shout(inbound(text="hello"))
'HELLO'

`talking` keeps conversations in memory, for handlers that use them.

`ProviderContract` holds the tests that every provider must pass, also one of a third party;
`assert_case` holds a provider against one callback in a JSON file, and `cases` lists such files.

With pytest there is the fixture ``sms``: it posts callbacks (`receiver.testing.callbacks`) to your
app, runs its handlers at once, and keeps what they send; see `receiver.testing.trial.Trial`.
"""

from .cases import assert_case, cases
from .contract import ProviderContract
from .samples import AlarmFields, MessageFields, ReportFields, alarm, inbound, report
from .talking import Talks, talking

__all__ = [
    "AlarmFields",
    "MessageFields",
    "ProviderContract",
    "ReportFields",
    "Talks",
    "alarm",
    "assert_case",
    "cases",
    "inbound",
    "report",
    "talking",
]

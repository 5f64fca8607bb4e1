"""STOP and START: whoever writes STOP gets nothing more from that account until START.

Only words that can mean nothing else are taken. The first registered wins: name this module before
one of yours whose pattern takes everything.
"""

import logging

from receiver import InboundMessage, Receiver, Router

router = Router("optout")

STOP_WORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "OPTOUT", "ARRÊT", "ARRÊTER", "DÉSABONNER")
START_WORDS = ("START", "UNSTOP", "SUBSCRIBE", "OPTIN")

_log = logging.getLogger(__name__)


@router.keyword(*STOP_WORDS)
def stop(message: InboundMessage) -> str | None:
    """Hold back all that goes to the sender from now on; this confirmation is the last."""
    if message.sender is None:
        _log.warning(
            "event=%s account=%s optout=unknown_sender candidates=%d",
            message.id,
            message.account,
            len(message.candidates),
        )
        return None
    Receiver.current().optouts.add(message)
    return "You will get no more messages. Send START to get them again."


@router.keyword(*START_WORDS)
def start(message: InboundMessage) -> str | None:
    """Let messages to the sender leave again."""
    if message.sender is None:
        return None
    Receiver.current().optouts.remove(message)
    return "You will get messages again. Send STOP to end them."

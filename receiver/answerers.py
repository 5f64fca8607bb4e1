"""Who answered? Where a provider names several, who was sent the message through us is among them.

Nothing is guessed: what we did not send ourselves leaves a reply as it came.
"""

from __future__ import annotations

from dataclasses import replace

from .events import InboundMessage
from .store.sentbox import SentBox


class Answerers:
    """Narrow down who wrote a reply by what one deployment has sent."""

    def __init__(self, sentbox: SentBox) -> None:
        self._sentbox = sentbox

    def narrow(self, message: InboundMessage) -> InboundMessage:
        """Give the message with the candidates that it was sent to; the only one is its sender.

        The message's id tells, or else its ``client_reference``. Where neither is known of any
        candidate, the message stays as it is. Raises `RedisError`.
        """
        if message.sender is not None or len(message.candidates) < 2:
            return message
        known = self._sentbox.recipients_of(
            message.account, message.message_id, message.client_reference, message.candidates
        )
        left = tuple(number for number in message.candidates if number in known)
        if not left:
            return message
        return replace(message, candidates=left, sender=left[0] if len(left) == 1 else None)

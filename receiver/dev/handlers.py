"""The handlers of a first look, where the folder has none of its own."""

from ..events import DeliveryReport, InboundMessage
from ..routing import Router

_LONGEST = 400  # characters, so that the answer is no longer than a provider takes

router = Router("demo")


@router.fallback()
def echo(message: InboundMessage) -> str:
    """Give the text back."""
    return f"You wrote: {message.text[:_LONGEST]}"


@router.report()
def watch(report: DeliveryReport) -> None:
    """Take every delivery report; `up` shows it."""

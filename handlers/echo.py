"""Answer every message that nothing else takes with its own text: for a first look."""

from receiver import InboundMessage, Router

router = Router("echo")


@router.fallback()
def echo(message: InboundMessage) -> str:
    """Give the text back."""
    return f"You wrote: {message.text}"

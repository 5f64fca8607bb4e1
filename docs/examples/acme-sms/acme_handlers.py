"""POINTS: what everybody who has an account at Acme gets with the provider."""

from receiver import InboundMessage, Router

router = Router("acme")


@router.keyword("POINTS", provider="acme")
def points(message: InboundMessage) -> str:
    """Tell the sender's points."""
    return f"You have {len(message.text)} points."

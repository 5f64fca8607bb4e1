"""SMS webhooks become typed events in plain functions, and their answers become SMS."""

from .conversations import conversation
from .errors import (
    ConfigurationError,
    DeliveryError,
    GiveUp,
    PermanentDeliveryError,
    ReceiverError,
    RetryLater,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from .events import Alarm, Billing, DeliveryReport, InboundMessage, Status
from .extension import Receiver
from .routing import Router
from .segmentation import segments
from .sending import balance, send, status
from .sms import Balance, Sent

__all__ = [
    "Alarm",
    "Balance",
    "Billing",
    "ConfigurationError",
    "DeliveryError",
    "DeliveryReport",
    "GiveUp",
    "InboundMessage",
    "PermanentDeliveryError",
    "Receiver",
    "ReceiverError",
    "RetryLater",
    "Router",
    "Sent",
    "Status",
    "TemporaryDeliveryError",
    "UncertainDeliveryError",
    "balance",
    "conversation",
    "segments",
    "send",
    "status",
]

"""SMS webhooks become typed events in plain functions, and their answers become SMS."""

from .errors import ConfigurationError, GiveUp, ReceiverError, RetryLater
from .events import Billing, DeliveryReport, InboundMessage, Status
from .extension import Receiver
from .routing import Router

__all__ = [
    "Billing",
    "ConfigurationError",
    "DeliveryReport",
    "GiveUp",
    "InboundMessage",
    "Receiver",
    "ReceiverError",
    "RetryLater",
    "Router",
    "Status",
]

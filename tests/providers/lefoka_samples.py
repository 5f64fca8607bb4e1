"""The samples of Lefoka's text, with their faults, and what they say.

Source: https://developer.lefoka.co.za/docs/sms/reference.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from receiver.events import Status
from receiver.providers.lefoka import Message

KEY = "pk_89d6a0e39886f68518c54086a68912cfe38efdd6d92774284d1d45a229e73"
SECRET = "a-secret-of-lefoka"
ACCOUNT = {"api_keys": (KEY,), "api_secret": SECRET}
DOCUMENT = "https://developer.lefoka.co.za/docs/sms/reference"
NUMBERS = ("+27637885448", "+27800055555")
SENT_ID = "f8cf92ceff5a5646c0eb53a0736ba1776286bb77430f65e0390af37fd5324cdd"
SCHEDULED_ID = "c31dd77c7337cbe074660af10488a02b49a84e0288d67d8366f1c760c9338c7a"
LISTED_ID = "7ec8e34a3b11867438a44e2f04fb3d7f77478ed9a4505b53190fcc2c836bc6e9"


SENT = """{
"id": "f8cf92ceff5a5646c0eb53a0736ba1776286bb77430f65e0390af37fd5324cdd",
"type": "sms",
"recipient": [
"27637885448",
"27800055555"
],
"message": "test",
"client_reference": "your reference",
"schedule": null,
"status": "pending",
"credit": 2,
"creation_date": "2023-06-25T08:55:23+02:00",
"_links": {
"self": {
"href": "https://api.lefoka.co.za/v1/messages/f8cf92ceff5a5646c0eb53a0736ba1776286bb77430f65e0390af37fd5324cdd",
"method": "GET"
}
},
"documentation_url": "https://developer.lefoka.co.za/docs/sms/reference#send"
}"""
SCHEDULED = (
    SENT.replace(SENT_ID, SCHEDULED_ID)
    .replace('"schedule": null', '"schedule": "2023-06-27T04:41:08+02:00"')
    .replace('"pending"', '"scheduled"')
    .replace('"credit": 2', '"credit": 0')
)
# As printed, with a comma missing and one too many; its two "{...}" stand for more of the kind.
LIST = """{
"list": [
{
"id": "7ec8e34a3b11867438a44e2f04fb3d7f77478ed9a4505b53190fcc2c836bc6e9",
"type": "sms",
"recipient": [
"27637885448"
],
"message": "<script>test</script>",
"schedule": null,
"status": "delivered",
"credit": 1,
"creation_date": "2023-05-01T05:07:50+02:00"
"delivery_date": "2023-05-01T05:07:50+02:00",
"_links": {
"self": {
"href": "https://api.lefoka.co.za/v1/messages",
"method": "GET"
},
}
}
],
"page": 1,
"limit": 10,
"total_pages": 7,
"total_items": 65,
"_links": {
"self": {
"href": "https://api.lefoka.co.za/v1/messages",
"method": "GET"
},
"next": {
"href": "https://api.lefoka.co.za/v1/messages?page=2",
"method": "GET"
},
"last": {
"href": "https://api.lefoka.co.za/v1/messages?page=7",
"method": "GET"
}
},
"documentation_url": "https://developer.lefoka.co.za/docs/sms/reference#send"
}"""
BALANCE = '{\n"balance": 44,\n"documentation_url": "' + DOCUMENT + '#balance"\n}'

MESSAGE = Message(
    id=SENT_ID,
    recipients=NUMBERS,
    text="test",
    status=Status.PENDING,
    provider_status="pending",
    client_reference="your reference",
    credit=Decimal(2),
    created_at=datetime(2023, 6, 25, 6, 55, 23, tzinfo=UTC),
)
SCHEDULED_MESSAGE = Message(
    id=SCHEDULED_ID,
    recipients=NUMBERS,
    text="test",
    status=Status.SCHEDULED,
    provider_status="scheduled",
    schedule=datetime(2023, 6, 27, 2, 41, 8, tzinfo=UTC),
    client_reference="your reference",
    credit=Decimal(0),
    created_at=datetime(2023, 6, 25, 6, 55, 23, tzinfo=UTC),
)
LISTED = Message(
    id=LISTED_ID,
    recipients=NUMBERS[:1],
    text="<script>test</script>",
    status=Status.DELIVERED,
    provider_status="delivered",
    credit=Decimal(1),
    created_at=datetime(2023, 5, 1, 3, 7, 50, tzinfo=UTC),
    delivered_at=datetime(2023, 5, 1, 3, 7, 50, tzinfo=UTC),
)

"""XML as SMSBox takes it and as it answers; what the fields mean is said elsewhere.

Source: the second sample of section "Sample request data" in the SMS API documentation at
https://smsbox.devotek.africa. No XML answer is shown there: the names of the JSON answers are
read, whatever element is around them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from ..errors import Unreadable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_DEPTH = 32
_RETURN = "&#13;"  # a bare one would be read as a line feed
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sms_as_xml(
    source: str, schedule_time: str, text: str, recipients: Iterable[tuple[str, str]]
) -> bytes:
    """Write a ``send_sms``, laid out as in the document; ``recipients`` are names and numbers.

    A character that no XML can hold, such as a bell, is written as U+FFFD.
    """
    lines = [
        "<sms>",
        f"  {_element('source_addr', source)}",
        f"  {_element('schedule_time', schedule_time)}",
        f"  {_element('message', text)}",
        "  <recipients>",
    ]
    for name, number in recipients:
        lines += [
            "      <recipient>",
            f"          {_element('recipient_name', name)}",
            f"          {_element('dest_addr', number)}",
            "      </recipient>",
        ]
    return "\n".join([*lines, "  </recipients>", "</sms>"]).encode()


def parse_xml(text: str) -> dict[str, Any]:
    """Read an answer: an element with others inside is a mapping, a repeated one a list.

    The outermost element is the answer itself. Raises `Unreadable` for what is no XML, or declares
    entities or a document type.
    """
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, ValueError) as error:  # the second: what defusedxml refuses
        raise Unreadable("the answer is no valid XML") from error
    value = _value(root, _MAX_DEPTH)
    return value if isinstance(value, dict) else {_name(root): value}


def _element(name: str, text: str) -> str:
    # what xml.sax.saxutils does, which loads HTTP clients with it: 20 ms of a start
    held = html.escape(_NOT_XML.sub("\ufffd", text), quote=False).replace("\r", _RETURN)
    return f"<{name}>{held}</{name}>" if held else f"<{name} />"


def _value(element: Element, depth: int) -> Any:
    if depth == 0:
        raise Unreadable("the answer is nested too deeply")
    if not len(element):
        return (element.text or "").strip()
    found: dict[str, list[Any]] = {}
    for inner in element:
        found.setdefault(_name(inner), []).append(_value(inner, depth - 1))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]

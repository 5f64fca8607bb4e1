"""The body of a webhook, read whole or not at all, out of what a WSGI server gives (PEP 3333)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.exceptions import ClientDisconnected

_DIGITS = 20  # Python refuses to read a number of thousands of them


def has_length(environ: Mapping[str, Any]) -> bool:
    """Tell whether the length of the body is stated; a chunked body's is not."""
    length = environ.get("CONTENT_LENGTH") or ""
    is_number = length.isdecimal() and len(length) < _DIGITS
    return is_number and "HTTP_TRANSFER_ENCODING" not in environ


def stated(environ: Mapping[str, Any], max_body: int) -> bytes:
    """Read a body whose length is stated, in one step: a quarter of what Werkzeug's stream costs.

    Nothing where it is not that simple: empty, too large, chunked, or read by somebody before.
    Raises `ClientDisconnected` where the caller hung up: half a text is no text.
    """
    length = int(environ["CONTENT_LENGTH"]) if has_length(environ) else 0
    if not 0 < length <= max_body:
        return b""
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ValueError) as error:
        raise ClientDisconnected from error
    if 0 < len(body) < length:
        raise ClientDisconnected
    return body


def may_be_cut(environ: Mapping[str, Any], body: bytes, unreadable: str | None) -> bool:
    """Tell whether a chunked body may have ended early: granian hands over what it got.

    JSON that can be read is whole; of anything else nobody knows.
    """
    if has_length(environ) or not _server_hides_cuts(environ):
        return False
    return unreadable is not None or body.lstrip()[:1] not in (b"{", b"[", b'"')


def _server_hides_cuts(environ: Mapping[str, Any]) -> bool:
    return str(environ.get("SERVER_SOFTWARE", "")).lower().startswith("granian")

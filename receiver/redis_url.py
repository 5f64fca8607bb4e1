"""RECEIVER_REDIS_URL: what such a URL may say, a server's or that of several sentinels.

Only its words are judged here; ``store.sentinel`` takes it apart, ``store.connection`` connects.
"""

from __future__ import annotations

import re

from marshmallow import ValidationError

from .accounts import split_url

_REDIS_SCHEMES = ("redis", "rediss", "unix")
_DATABASE = re.compile(r"(/[0-9]*)?", re.ASCII)
_SENTINEL_SCHEMES = ("redis+sentinel", "sentinel")
_SENTINEL_EXAMPLE = "redis+sentinel://10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379/mymaster/0"
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
# What such a URL consists of, in order, each with what to say where it is not there or wrong.
_SENTINEL_PARTS = (
    (
        r"(?:redis\+)?sentinel://(?:(?P<username>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?"
        rf"(?P<sentinels>{_HOST}(?:,{_HOST})*)(?=[/?#]|\Z)",
        "must name its sentinels as host:port, with commas between them",
    ),
    (r"/(?P<service>[A-Za-z0-9._-]+)(?=[/?#]|\Z)", "names no service, as the sentinels call it"),
    (r"(?:/(?P<database>[0-9]*))?(?=[?#]|\Z)", "names a database that is no number"),
    (
        r"(?:\?(?P<options>(?:sentinel_(?:username|password)=[^&#]*(?:&(?=s)|\Z))*))?\Z",
        "takes no options but sentinel_username and sentinel_password",
    ),
)
# The whole of it; ``store.sentinel`` takes it apart.
SENTINEL_URL = re.compile("".join(part for part, _ in _SENTINEL_PARTS), re.ASCII)


def check_redis_url(url: str) -> None:
    """Raise marshmallow's `ValidationError` unless the URL can name a Redis."""
    if url.partition("://")[0] in _SENTINEL_SCHEMES:
        _check_sentinel_url(url)
        return
    parts = split_url(url)
    if parts.scheme not in _REDIS_SCHEMES:
        known = "redis://, rediss://, unix:// or redis+sentinel://"
        raise ValidationError(f"must begin with {known}")
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        raise ValidationError("must end with a port and a number, as redis://localhost:6379/0")


def _check_sentinel_url(url: str) -> None:
    pattern = ""
    for part, fault in _SENTINEL_PARTS:
        pattern += part
        if not re.match(pattern, url, re.ASCII):
            raise ValidationError(f"{fault}; write {_SENTINEL_EXAMPLE}")
    whole = SENTINEL_URL.fullmatch(url)
    ports = re.findall(r":([0-9]+)(?=,|\Z)", whole["sentinels"] if whole else "")
    if not all(0 < int(port) < 65536 for port in ports):
        raise ValidationError(f"has a port that is none; write {_SENTINEL_EXAMPLE}")

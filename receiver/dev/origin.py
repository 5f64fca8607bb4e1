"""Where this installation of ours came from, as a line of ``requirements.txt``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

_NAME = "sms-receiver"


def requirement(extras: str) -> str:
    """Give the line that installs what runs now: our name, or it with where it came from.

    ``extras``: such as ``serve,embedded``. What came from an index has the name alone.
    """
    try:
        told = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        told = None
    return line(extras, json.loads(told) if told else None)


def line(extras: str, direct_url: Mapping[str, Any] | None) -> str:
    """Give the line for a ``direct_url.json``, as PEP 610 has it.

    >>> line("serve", {"url": "file:///srv/sms-receiver", "dir_info": {"editable": True}})
    'sms-receiver[serve] @ file:///srv/sms-receiver'
    """
    name = f"{_NAME}[{extras}]"
    if direct_url is None:
        return name
    url = str(direct_url["url"])
    vcs = direct_url.get("vcs_info")
    if vcs:
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    folder = direct_url.get("subdirectory")
    return f"{name} @ {url}{f'#subdirectory={folder}' if folder else ''}"

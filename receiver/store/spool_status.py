"""What an operator wants to know of a spool."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """How a spool is: ``size`` in bytes on disk; ``refused`` of those waiting were tried in vain.

    ``oldest`` is when the first of them was put; ``set_aside`` are damaged files, replaced.
    """

    waiting: int
    oldest: datetime | None
    size: int
    refused: int
    set_aside: tuple[Path, ...]

"""What mkdocstrings is told of our docstrings: examples and drawings in them are code."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?)*)+", re.M)
_TREE = re.compile(r"^\w+\n(?:^[│├└ ].*\n?)+", re.M)


class Fences(griffe.Extension):
    """Put a fence around each example and each tree."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change a docstring before it is read as Markdown."""
        if obj.docstring is not None:
            text = _EXAMPLE.sub(r"```python\n\g<0>\n```\n", obj.docstring.value)
            obj.docstring.value = _TREE.sub(r"```text\n\g<0>\n```\n", text)

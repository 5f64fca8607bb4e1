"""What a person types: one file for each kind of command; `group` holds them all."""

from .group import receiver_commands

__all__ = ["receiver_commands"]

"""What handlers raise while they are tested: a worker only notes it, a test fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from ..errors import DeliveryError, GiveUp, RetryLater
from ..plugins import Loaded
from ..routing import Handler, Router
from ..table import Table

_NO_FAULTS = (RetryLater, GiveUp, DeliveryError)


class Faults:
    """What the handlers of one app raised, the oldest first."""

    def __init__(self) -> None:
        self._raised: list[BaseException] = []

    def heard_in(self, loaded: Loaded) -> Loaded:
        """Give the same handlers, whose exceptions are kept here as well."""
        router = Router("heard")
        router.handlers += [replace(h, function=self._hear(h)) for h in loaded.table]
        return replace(loaded, table=Table([router]))

    def raise_first(self, raising: bool) -> None:
        """Raise the first that is a fault, if faults are to be raised; forget them all."""
        raised, self._raised = self._raised, []
        for error in raised if raising else ():
            raise error

    def _hear(self, handler: Handler) -> Callable[[Any], object]:
        @wraps(handler.function)
        def heard(event: Any) -> object:
            try:
                return handler.function(event)
            except _NO_FAULTS:
                raise
            except BaseException as error:
                self._raised.append(error)
                raise

        return heard

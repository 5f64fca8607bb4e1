"""Where handlers and providers are found: RECEIVER_HANDLERS, then entry points.

Loading never raises for a broken plugin: it is a `Failure` that `check` and the worker report, and
the others go on.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from .errors import ConfigurationError
from .providers.base import Provider
from .providers.lefoka import Lefoka
from .providers.smsbox import SMSBox
from .routing import Router, Table

HANDLERS_GROUP = "receiver.handlers"
PROVIDERS_GROUP = "receiver.providers"

_BUILT_IN: tuple[type[Provider], ...] = (Lefoka, SMSBox)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A plugin that could not be loaded: where it was named, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """All handlers of a deployment, and the plugins that failed."""

    table: Table
    failures: tuple[Failure, ...] = ()


def load_handlers(names: Iterable[str], own: Iterable[Router] = ()) -> Loaded:
    """Load handlers: the app's ``own``, the import ``names``, and every installed entry point.

    A name is a module with a ``router``, a package of such modules, or ``module:attribute``.
    Raises `ConfigurationError` where two handlers have one name.
    """
    routers = list(own)
    failures: list[Failure] = []
    for name in names:
        _collect(name, lambda name=name: _named(name), routers, failures)
    for entry in _entries(HANDLERS_GROUP):
        _collect(
            entry.value, lambda entry=entry: [_router(entry.load(), entry.value)], routers, failures
        )
    for failure in failures:
        _log.error("event=plugin_failed name=%s reason=%r", failure.name, failure.reason)
    return Loaded(table=Table(routers), failures=tuple(failures))


def provider_classes() -> dict[str, type[Provider]]:
    """Give every known provider by name; an installed one never replaces one of ours."""
    classes = {provider.name: provider for provider in _BUILT_IN}
    for entry in _entries(PROVIDERS_GROUP):
        try:
            found = entry.load()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            _log.error("event=provider_failed name=%s reason=%s", entry.value, _reason(error))
            continue
        if not (isinstance(found, type) and issubclass(found, Provider)):
            _log.error("event=provider_failed name=%s reason='is no Provider'", entry.value)
            continue
        classes.setdefault(entry.name, found)
    return classes


def _collect(name: str, load: Any, routers: list[Router], failures: list[Failure]) -> None:
    try:
        routers.extend(load())
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        failures.append(Failure(name=name, reason=_reason(error)))


def _named(name: str) -> list[Router]:
    module_name, _, attribute = name.partition(":")
    module = importlib.import_module(module_name)
    if attribute:
        return [_router(getattr(module, attribute, None), name)]
    if hasattr(module, "router"):
        return [_router(module.router, name)]
    found = [_router(inner.router, inner.__name__) for inner in _modules_in(module)]
    if not found:
        raise ConfigurationError(f"{name} has no router, and no module with one")
    return found


def _modules_in(package: ModuleType) -> Iterator[ModuleType]:
    for entry in sorted(
        pkgutil.iter_modules(getattr(package, "__path__", [])), key=lambda e: e.name
    ):
        module = importlib.import_module(f"{package.__name__}.{entry.name}")
        if hasattr(module, "router"):
            yield module


def _router(found: Any, name: str) -> Router:
    if not isinstance(found, Router):
        raise ConfigurationError(f"{name} is no receiver.Router")
    return found


def _entries(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

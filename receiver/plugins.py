"""Where handlers and providers are found: RECEIVER_HANDLERS, then entry points.

Loading never raises for a broken plugin: it is a `Failure` that `check` and the worker report, and
the others go on.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from .errors import ConfigurationError
from .providers.base import Provider
from .providers.bearer import Bearer
from .providers.keyed import Keyed
from .providers.kobomobile import KoboMobile
from .providers.lefoka import Lefoka
from .providers.smsbox import SMSBox
from .routing import Router
from .table import Table

HANDLERS_GROUP = "receiver.handlers"
PROVIDERS_GROUP = "receiver.providers"

_BUILT_IN: tuple[type[Provider], ...] = (Lefoka, SMSBox, KoboMobile, Keyed, Bearer)

# What importing a plugin may raise: a script that ends itself must not end the worker.
_ANYTHING = (Exception, SystemExit)

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
        routers += _guarded(name, partial(_named, name, failures), failures)
    for entry in _entries(HANDLERS_GROUP):
        routers += _guarded(entry.value, partial(_entered, entry), failures)
    for failure in failures:
        # the whole reason is for `check`: what a module says as it breaks may hold anything
        kind = failure.reason.partition(":")[0]
        _log.error("event=plugin_failed name=%s error=%s help='run check'", failure.name, kind)
    return Loaded(table=Table(routers), failures=tuple(failures))


def provider_classes() -> dict[str, type[Provider]]:
    """Give every known provider by name; an installed one never replaces one of ours."""
    classes = {provider.name: provider for provider in _BUILT_IN}
    for entry in _entries(PROVIDERS_GROUP):
        try:
            found = entry.load()
        except _ANYTHING as error:
            _provider_failed(entry, _reason(error))
            continue
        if not (isinstance(found, type) and issubclass(found, Provider)):
            _provider_failed(entry, "is no Provider")
        elif entry.name in classes:
            _provider_failed(entry, f"there is a provider {entry.name} already")
        else:
            classes[entry.name] = found
    return classes


def _guarded(name: str, load: Callable[[], list[Router]], failures: list[Failure]) -> list[Router]:
    try:
        return load()
    except _ANYTHING as error:
        failures.append(Failure(name=name, reason=_reason(error)))
        return []


def _named(name: str, failures: list[Failure]) -> list[Router]:
    """Load what a name means; of a package each module by itself, so that one may fail alone."""
    module_name, _, attribute = name.partition(":")
    module = importlib.import_module(module_name)
    if attribute:
        return [_router(getattr(module, attribute, None), name)]
    if hasattr(module, "router"):
        return [_router(module.router, name)]
    found: list[Router] = []
    failed: list[Failure] = []
    for inner in _modules_in(module):
        found += _guarded(inner, partial(_module, inner), failed)
    if not found and not failed:
        raise ConfigurationError(f"{name} has no router, and no module with one")
    failures += failed
    return found


def _module(name: str) -> list[Router]:
    """Load one module of a package; it need not have a router."""
    module = importlib.import_module(name)
    return [_router(module.router, name)] if hasattr(module, "router") else []


def _entered(entry: EntryPoint) -> list[Router]:
    return [_router(entry.load(), entry.value)]


def _modules_in(package: ModuleType) -> list[str]:
    found = pkgutil.iter_modules(getattr(package, "__path__", []))
    return sorted(f"{package.__name__}.{entry.name}" for entry in found)


def _router(found: Any, name: str) -> Router:
    if not isinstance(found, Router):
        raise ConfigurationError(f"{name} is no receiver.Router")
    return found


def _entries(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def _provider_failed(entry: EntryPoint, reason: str) -> None:
    _log.error("event=provider_failed name=%s reason=%r", entry.value, reason)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"

"""All figures as Prometheus reads them: totals of all hosts out of Redis, what waits and lives now.

Any host answers the same. Who may read is decided here; nothing in it holds a number, a text or a
key. While Redis is away, totals are left out and not guessed: a total that steps back would look
like a restart, and every rate would be wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from ..errors import StorageUnavailable
from ..measures import MEASURES
from ..store.counted import part_name
from ..store.figures import Figures, Histogram, Labels, Totals
from ..store.levels import Level, Levels
from ..store.spool import Spool
from ..store.tally import Tally
from .pages import UNCACHED, refuse
from .patience import Patience
from .webhook import Answer, Environ

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Gauges = dict[str, dict[Labels, float]]

_FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
# what proxies and CDNs add; any of them tells that the caller is somewhere else
_OF_PROXIES = re.compile(
    r"HTTP_(X_FORWARDED.*|FORWARDED|VIA|CF_.*|CDN_.*|FASTLY_.*|X_REAL_IP|X_ORIGINAL_.*"
    r"|(TRUE|X|X_CLUSTER|X_AZURE|FLY)_CLIENT_?IP)"
)
_PROXY_FIX = "werkzeug.proxy_fix.orig"  # where Werkzeug's ProxyFix keeps what it replaced
_HELP = (
    "Send Authorization: Bearer and the RECEIVER_METRICS_TOKEN; without one, ask from this machine."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The page of one deployment; ``figures`` and ``level`` over a connection that gives up soon.

    ``token`` is what a scraper sends as Bearer; without one, only this machine may read.
    """

    token: str | None = field(repr=False)
    tally: Tally
    figures: Figures
    level: Level
    patience: Patience
    spool: Spool
    folder: Path

    def page(self, environ: Environ) -> Answer:
        """Give all figures; 401 to whom they are not for, 503 where too many wait for Redis."""
        if not self._may_read(environ):
            wanted = ("WWW-Authenticate", 'Bearer realm="sms-receiver"')
            return refuse(401, "The caller may not read the metrics.", _HELP, wanted)
        answers = self.patience.ask()
        if answers is None:
            return refuse(503, "Others wait for Redis already.", "Ask again.", ("Retry-After", "1"))
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        found = generate_latest(_Found(list(self._collect(answers))))
        return Answer(200, found, CONTENT_TYPE_LATEST, UNCACHED)

    def _collect(self, answers: bool) -> Iterator[Metric]:
        gauges: Gauges = {"redis_up": {(): 0.0}, **_of_spool(self.spool, self.folder)}
        totals = None
        try:
            if answers:
                totals = self.figures.totals()
                gauges |= {**_of_levels(self.level.read()), "redis_up": {(): 1.0}}
        except RedisError as error:
            self.patience.end()
            _log.warning("event=metrics_without_redis error=%s", type(error).__name__)
        if not gauges["redis_up"][()]:
            counts = self.tally.unsent()[0]
            unsent = {key[1:]: count for key, count in counts.items() if key[0] == "acks"}
            gauges["unsent_acks"] = unsent
        return _families(totals, gauges)

    def _may_read(self, environ: Environ) -> bool:
        if self.token is None:
            return _is_local(environ)
        scheme, _, given = str(environ.get("HTTP_AUTHORIZATION", "")).strip().partition(" ")
        same = hmac.compare_digest(_digest(given.strip()), _digest(self.token))
        return same and scheme.lower() == "bearer"


@dataclass(frozen=True, slots=True)
class _Found:
    families: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        """Give the families, as a registry of prometheus_client does."""
        return self.families


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _is_local(environ: Environ) -> bool:
    """Tell whether the caller is this machine, and no proxy on it that nobody told us of.

    Where fewer proxies stand in front than were declared, `ProxyFix` replaces nothing.
    """
    given = str(environ.get("REMOTE_ADDR") or "")
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return False
    if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
        return False
    if not any(map(_OF_PROXIES.fullmatch, environ)):
        return True
    vouched = [part.strip() for part in str(environ.get(_FORWARDED_FOR, "")).split(",")]
    return _PROXY_FIX in environ and given in vouched


def _of_spool(spool: Spool, folder: Path) -> Gauges:
    """Look at this host's disk; what nobody can say now is left out."""
    found: Gauges = {}
    try:
        status = spool.status()
        waited = (datetime.now(UTC) - status.oldest).total_seconds() if status.oldest else 0.0
        found["spool"] = {(): float(status.waiting)}
        found["spool_oldest_seconds"] = {(): max(waited, 0.0)}
        found["spool_free_bytes"] = {(): float(shutil.disk_usage(folder).free)}
    except (StorageUnavailable, OSError) as error:
        _log.warning("event=metrics_without_spool error=%s", type(error).__name__)
    return found


def _of_levels(levels: Levels) -> Gauges:
    return {
        "backlog": _by_queue(levels.backlog),
        "backlog_oldest_seconds": _by_queue(levels.oldest),
        "workers": _by_queue(levels.workers),
        "dead_letters": _by_queue(levels.dead),
        "quarantine": {(): float(levels.quarantine)},
        "unloaded_handlers": {(): float(levels.unloaded)},
        "issued_key_seconds_left": {(name, key): left for name, key, left in levels.keys},
    }


def _by_queue(values: Mapping[str, float]) -> dict[Labels, float]:
    return {(queue,): float(value) for queue, value in values.items()}


def _families(totals: Totals | None, gauges: Gauges) -> Iterator[Metric]:
    """Give each figure of `MEASURES` that has something to show, in their order."""
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    kinds: dict[str, Any] = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    for name, measure in MEASURES.items():
        if totals is None and measure.kind != "gauge":
            continue
        family = kinds[measure.kind](measure.metric, measure.help, labels=measure.labels)
        for labels, value in sorted(_rows(name, totals, gauges).items()):
            shown = _cumulative(value) if isinstance(value, Histogram) else {"value": value}
            family.add_metric(labels, **shown)
        yield family


def _rows(name: str, totals: Totals | None, gauges: Gauges) -> Mapping[Labels, Any]:
    if totals is None or name in gauges:
        return gauges.get(name, {})
    return totals.histograms.get(name) or totals.counters.get(name, {})


def _cumulative(found: Histogram) -> dict[str, Any]:
    buckets, below = [], 0
    for bound, count in zip((*found.bounds, float("inf")), found.counts, strict=True):
        below += count
        buckets.append((part_name(bound), below))
    return {"buckets": buckets, "sum_value": found.sum}

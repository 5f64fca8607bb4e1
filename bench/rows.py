"""The figures that are promised, each with what it must reach. How they are measured is elsewhere.

The limits stand here once: what measures a row takes them from here.
"""

from __future__ import annotations

from .table import Row

ROWS = (
    Row(
        number=1,
        name="acks-64",
        figure="acks/s, 64 connections, 2 server processes",
        must="2.5 × hand-written Flask + RQ and 0.4 × an empty view; goal 3 × and 0.5 ×",
    ),
    Row(
        number=2,
        name="acks-8",
        figure="acks/s, 8 connections, 2 server processes",
        must="1.5 × hand-written; goal 2 ×",
    ),
    Row(
        number=3,
        name="ack-p99",
        figure="p99 of acks at the same request rate",
        must="no worse than hand-written",
    ),
    Row(
        number=4,
        name="handled",
        figure="events handled/s by one worker process, one no-op handler",
        must="at least Celery prefork -c 1; goal Huey's rate",
    ),
    Row(
        number=5,
        name="ack-to-handler",
        figure="from ack to the handler's start, 50 events/s",
        must="p50 under 5 ms, p99 under 25 ms",
    ),
    Row(
        number=6,
        name="report-500",
        figure="a report to 500 recipients, acknowledged",
        must="under 50 ms",
    ),
    Row(
        number=7,
        name="backlog",
        figure="ack and handling with many events waiting",
        must="within 1.15 × of empty",
    ),
    Row(
        number=8,
        name="memory",
        figure="Redis memory for one waiting event of 160 characters",
        must="2 KB; goal 1.5 KB",
    ),
    Row(
        number=9,
        name="spool",
        figure="acks/s with Redis down (spool, fsync); drain",
        must="500 acks/s; 2,000 events/s",
    ),
    Row(
        number=10,
        name="start",
        figure="start of the web process to its first ack; memory of the processes",
        must="under 1 s; under 80 MB each",
    ),
)

# Of a ratio ours : theirs, as (must, goal).
ACKS_64 = (2.5, 3.0)
ACKS_64_EMPTY = (0.4, 0.5)
ACKS_8 = (1.5, 2.0)
P99 = (1.0, None)
CELERY = (1.0, None)
HUEY = (None, 1.0)
BACKLOG = (1 / 1.15, None)

# Of our own value.
START_P50_MS, START_P99_MS = 5.0, 25.0
REPORT_MS = 50.0
EVENT_BYTES, EVENT_BYTES_GOAL = 2048.0, 1536.0
SPOOLED_PER_SECOND, DRAINED_PER_SECOND = 500.0, 2000.0
FIRST_ACK_SECONDS, PROCESS_MB = 1.0, 80.0

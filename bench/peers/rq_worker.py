"""RQ's worker as its page on performance says: what the tasks need is imported before it forks."""

import sys

import rq
from flask_rq import queue

if __name__ == "__main__":
    worker = getattr(rq, sys.argv[1])([queue], connection=queue.connection)
    worker.work(logging_level="WARNING")

"""FastAPI + arq: one pool for the process, made at its start."""

import os
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request

settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await create_pool(settings)
    yield
    await app.state.pool.aclose()


app = FastAPI(lifespan=lifespan)


async def handle(context, callback):
    """The task, which does nothing."""


@app.post("/webhooks/smsbox")
async def webhook(request: Request):
    callback = await request.json()
    await request.app.state.pool.enqueue_job("handle", callback)
    return {"transaction_id": callback["transaction_id"], "successful": True}


class WorkerSettings:
    functions = (handle,)
    redis_settings = settings
    keep_result = 0

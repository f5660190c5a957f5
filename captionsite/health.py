"""Health answers: /healthz says that the process serves requests, /readyz that pictures are taken and captioned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from captions import selectors

BUDGET_SECONDS = 5.0


async def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process serves requests at all. For load balancers."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when database, broker and a worker with a model are all there; else 503 that says which is not.

    The site goes on without broker and worker (pictures are taken and keep their place), so send people's requests by
    /healthz and raise alarms by this.
    """
    names: dict[str, Callable[[], Any]] = {"database": _database, "broker": _broker, "worker": _worker}
    answers = await asyncio.gather(*(_ask(check) for check in names.values()))
    checks = dict(zip(names, answers, strict=True))
    fine = all(check["ok"] for check in checks.values())
    return JsonResponse({"status": "ok" if fine else "not ready", **checks}, status=200 if fine else 503)


async def _ask(check: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"ok": True, **(await asyncio.wait_for(asyncio.to_thread(_and_close, check), BUDGET_SECONDS))}
    except Exception:  # noqa: BLE001  # whatever is wrong with a part, the answer is that it is not ready
        return {"ok": False}


def _and_close(check: Callable[[], Any]) -> dict[str, Any]:
    """Run one check in a thread of its own, whose database connection would else stay open for ever."""
    try:
        return check() or {}
    finally:
        connection.close()


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    finally:
        client.close()


def _worker() -> dict[str, Any]:
    serving = selectors.serving()
    if not serving.ready:
        raise LookupError("no worker serves a model")
    return {
        "model": serving.model,
        "revision": serving.revision,
        "demo": serving.is_demo,
        "notice": serving.notice,
    }

"""The bound on what anybody may send to the web process."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from slskdn_site.asgi import MAX_BODY_BYTES, application

BLOCK = b"x" * 65_536


def post(blocks: int) -> tuple[int, int]:
    """(status, blocks that were taken) of a request by a stranger."""
    taken = 0
    answered: list[int] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken == blocks:
            await asyncio.Event().wait()
        taken += 1
        return {"type": "http.request", "body": BLOCK, "more_body": taken < blocks}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/api/jobs/recording",
        "raw_path": b"/api/jobs/recording", "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost")],
        "client": ("203.0.113.5", 1), "server": ("localhost", 5030),
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(application(scope, receive, send), 20.0))  # type: ignore[arg-type]
    return answered[0], taken


@pytest.mark.django_db(transaction=True)
def test_a_body_without_end_is_cut_off_before_it_fills_a_disk() -> None:
    status, taken = post(100_000)
    assert status == 413
    assert taken <= MAX_BODY_BYTES // len(BLOCK) + 1


@pytest.mark.django_db(transaction=True)
def test_an_ordinary_request_is_looked_at() -> None:
    assert post(2)[0] == 401


def test_what_the_start_made_is_walked_by_no_collection() -> None:
    assert (
        gc.get_freeze_count() > 100_000
    )  # models, addresses, pages: a full collection of them stops a request for 200 ms

"""The ASGI application that uvicorn serves: Django's, behind a bound on how much anybody may send."""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application

from slskdn_site.settled import loading, settle

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 2 << 20
"""Of one request. Our largest, a job that names a thousand tracks, has some 50 KiB; a page's form is smaller still."""


def bounded(application: Application, *, max_body_bytes: int = MAX_BODY_BYTES) -> Application:
    """`application`, which never sees more of a body than that: Django would put all of it on the disk before it asks who sends it."""

    async def guarded(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        left, started = max_body_bytes, False

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        await application(scope, counted, noted)
        if left < 0 and not started:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": b"The request is too large.\n"})

    return guarded


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
# WhiteNoise hands out open files; Django reads them in a thread and says so at every static file.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
with loading():
    django_application: Any = (
        get_asgi_application()
    )  # its stub and the specification differ in how they spell a message
    application: Application = bounded(django_application)
    import_module(settings.ROOT_URLCONF)  # pages, API and admin: else the first request would load them
settle()

"""What parts that deal with people ask of the client: whether there is a session, and whether somebody exists and is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from apps.domain.errors import DomainError

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

STATUS: Final = {0: "offline", 1: "away", 2: "online"}
ASK_S: Final = 3.0
"""The server answers questions about users in milliseconds."""


class NoSession(DomainError):
    """Nothing can be said or asked now."""

    default_code = "soulseek_not_online"


def session_of(client: SoulseekClient | None) -> SoulseekClient:
    """The client, logged in. Raises NoSession."""
    if client is None or client.session is None:
        raise NoSession("There is no session with the Soulseek server.", retryable=True)
    return client


async def user_watched(client: SoulseekClient, name: str) -> Any:
    """The server's answer to AddUser: `exists`, `status`, `user_stats`, `country_code`; it tells of changes from now on. Raises DomainError."""
    from aioslsk.exceptions import AioSlskException
    from aioslsk.protocol.messages import AddUser

    future = client.network.create_server_response_future(AddUser.Response, fields={"username": name})
    try:
        await client.network.send_server_messages(AddUser.Request(name))
        async with asyncio.timeout(ASK_S):
            _connection, told = await future
    except (AioSlskException, TimeoutError) as error:
        raise NoSession("The Soulseek server did not answer.", code="soulseek_silent", retryable=True) from error
    finally:
        if not future.done():
            future.cancel()
    return told

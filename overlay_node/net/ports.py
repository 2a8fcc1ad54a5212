"""What ``net`` needs of the world, and what the world may hear from it, as typed protocols.

Twisted's zope interfaces declare methods without ``self``, which no type checker reads; these say the same for mypy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.messages import Message

if TYPE_CHECKING:
    from overlay_node.net.link import Link


class DelayedCall(Protocol):
    """A call that has been scheduled."""

    def cancel(self) -> None: ...
    def active(self) -> bool: ...


class Clock(Protocol):
    """Monotonic seconds and the means to be called later."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Callable[..., object], /, *args: object) -> DelayedCall: ...  # noqa: N802


class Reactor(Clock, Protocol):
    """The reactor, as far as it is used here. It is always passed in; nothing here imports one."""

    def listenTCP(self, port: int, factory: object, backlog: int = 50, interface: str = "") -> object: ...  # noqa: N802
    def connectTCP(  # noqa: N802
        self,
        host: str,
        port: int,
        factory: object,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,  # noqa: N803
    ) -> object: ...


class LinkListener(Protocol):
    """Who is told about links. All calls come from the reactor's thread; an exception here closes the link."""

    def link_ready(self, link: Link) -> None:
        """Both sides have shaken hands; requests may be sent. Not called for a link that lost against an older one of the same peer."""

    def link_message(self, link: Link, message: Message, attachment: Attachment) -> None:
        """A message came that is no answer to ``link.request``. Answers to what was merely sent come here too.

        It may come on a link that was never announced because it lost against another of the same peer: answer on that very link.
        """

    def link_closed(self, link: Link, reason_code: str) -> None:
        """The link is gone; nothing more comes from it. Called once for each link that ``link_ready`` was called for."""

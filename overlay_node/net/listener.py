"""The listening side: who may come in at all, before a byte of TLS is spent on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from typing_extensions import override

from overlay_node.net.link import LinkProtocol
from overlay_node.net.ports import Clock
from overlay_node.net.tls import TlsCreator


class LinkFactory(Factory):
    """Makes the inner protocol of each connection."""

    noisy = False

    def __init__(self, make: Callable[[tuple[str, int]], LinkProtocol]) -> None:
        self._make: Final = make

    @override
    def buildProtocol(self, addr: IAddress | None) -> LinkProtocol:
        return self._make(_host_and_port(addr))


class OverlayTlsFactory(TLSMemoryBIOFactory):
    """TLS around ``LinkFactory``, with a say in who comes in. ``tls_protocol`` None = Twisted's own class."""

    def __init__(
        self,
        creator: TlsCreator,
        links: LinkFactory,
        *,
        is_client: bool,
        clock: Clock,
        tls_protocol: type[TLSMemoryBIOProtocol] | None,
        may_enter: Callable[[tuple[str, int]], bool],
    ) -> None:
        zope_creator: Any = creator  # they implement zope interfaces, which mypy does not read
        zope_links: Any = links
        reactor: Any = clock
        super().__init__(zope_creator, is_client, zope_links, reactor)
        if tls_protocol is not None:
            self.protocol = tls_protocol
        self._may_enter: Final = may_enter

    @override
    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol:
        if not self._may_enter(_host_and_port(addr)):
            refused: Any = None  # Twisted closes the socket then; its annotation forgot it
            return refused  # type: ignore[no-any-return]
        return super().buildProtocol(addr)


def _host_and_port(address: Any) -> tuple[str, int]:
    return str(address.host), int(address.port)

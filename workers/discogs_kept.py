"""Discogs through its rows: asked once in thirty days, with what an answer is known again by; an old answer does where a new one can't be had."""

from __future__ import annotations

import logging

from apps.catalog.selectors_discogs import discogs_kept
from apps.catalog.services_discogs import discogs_still, discogs_store
from apps.domain.catalog.discogs import DiscogsFacts
from apps.domain.catalog.links import DiscogsKind
from workers.gateways.discogs import DiscogsPort
from workers.gateways.errors import Permanent, Transient

log = logging.getLogger(__name__)


class KeptDiscogs:
    """`port` None: Discogs is not asked at all."""

    def __init__(self, port: DiscogsPort | None) -> None:
        self._port = port

    def facts(self, kind: DiscogsKind, number: int, *, refresh: bool = False) -> DiscogsFacts:
        """What Discogs says of it. `refresh`: ask even if what is kept is fresh; then nothing old does instead.

        Raises what DiscogsPort raises, and Permanent `discogs_disabled`.
        """
        kept = discogs_kept(kind, number)
        if kept is not None and kept.fresh and not refresh:
            return kept.facts
        if self._port is None:
            if kept is not None and not refresh:
                return kept.facts
            raise Permanent("Discogs is not asked.", code="discogs_disabled")
        try:
            answer = self._port.entity(kind, number, etag=kept.etag if kept is not None else "")
        except Transient as error:
            if kept is None or refresh:
                raise
            log.info("an older answer has to do: discogs %s %s code=%s", kind.value, number, error.code)
            return kept.facts
        if answer.facts is None:
            assert kept is not None  # it is as the validator of what is kept says
            discogs_still(kind, number)
            return kept.facts
        discogs_store(kind, answer.facts, etag=answer.etag)
        return answer.facts

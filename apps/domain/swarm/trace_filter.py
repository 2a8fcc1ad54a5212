"""Which events of a trace somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from apps.domain.errors import DomainError
from apps.domain.swarm.trace import TraceEvent
from apps.domain.swarm.trace_lines import Trace

FILTER_KEYS: Final = ("action", "peer", "track", "source", "code", "transfer")


class TraceFilterInvalid(DomainError):
    """A filter that can't be understood."""

    default_code = "trace_filter_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFilter:
    """Events that match one value of every key that has any. Peers, tracks and transfers match by the beginning of their id."""

    action: frozenset[str] = frozenset()
    peer: frozenset[str] = frozenset()
    track: frozenset[str] = frozenset()
    source: frozenset[str] = frozenset()
    code: frozenset[str] = frozenset()
    transfer: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> TraceFilter:
        """From `action=chunk_error,peer=abc`; a key that comes again adds a value. Raises TraceFilterInvalid."""
        found: dict[str, set[str]] = {key: set() for key in FILTER_KEYS}
        for part in (part for text in texts for part in text.split(",") if part.strip()):
            key, separator, value = (piece.strip() for piece in part.partition("="))
            if not separator or not value or key not in found:
                raise TraceFilterInvalid(
                    f"A filter is key=value with one of {', '.join(FILTER_KEYS)} as the key; several with commas.",
                    part=part[:60],
                )
            found[key].add(value)
        return cls(**{key: frozenset(values) for key, values in found.items()})

    def matches(self, event: TraceEvent) -> bool:
        """True when the event is wanted."""
        return (
            (not self.action or event.action in self.action)
            and (not self.peer or _begins(event.peer, self.peer))
            and (not self.track or _begins(str(event.context.track), self.track))
            and (not self.source or event.source.value in self.source)
            and (not self.code or event.code in self.code)
            and (not self.transfer or _begins(str(event.context.transfer), self.transfer))
        )


def events_matching(trace: Trace, wanted: TraceFilter, *, after: int = 0) -> Iterator[tuple[int, TraceEvent]]:
    """Ids and events, in order, from the first id above `after` on."""
    for index in range(trace.after(after), len(trace.events)):
        if wanted.matches(trace.events[index]):
            yield trace.ids[index], trace.events[index]


def _begins(text: str, beginnings: Iterable[str]) -> bool:
    return any(text.startswith(one) for one in beginnings)

"""The live links, one per peer and purpose, and the rule that settles duplicates the same way on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from overlay_node.net.link import Link
from overlay_node.protocol.messages import Purpose

_PATH_RANK: Final = {"direct": 2, "punched": 1, "relayed": 0}


class LinkTable:
    """Open links by peer id. A link that lost against another is not in it; it drains and closes."""

    def __init__(self, own_peer_id: str) -> None:
        self._own_peer_id: Final = own_peer_id
        self._links: Final[dict[tuple[str, Purpose], Link]] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def get(self, peer_id: str, purpose: Purpose = Purpose.MAIN) -> Link | None:
        """The link to use for this peer, or None."""
        link = self._links.get((peer_id, purpose))
        return link if link is not None and link.is_open else None

    def settle(self, link: Link) -> Link | None:
        """Enter a link that has just opened. Returns the loser when the peer had one already: it is now draining."""
        key = (link.peer_id, link.purpose)
        held = self._links.get(key)
        if held is None or not held.is_open:
            self._links[key] = link
            return None
        winner = self._better(held, link)
        loser = held if winner is link else link
        loser.draining = True
        self._links[key] = winner
        return loser

    def remove(self, link: Link) -> None:
        """Forget a link that is gone; one that was replaced is not in the table any more."""
        key = (link.peer_id, link.purpose)
        if self._links.get(key) is link:
            del self._links[key]

    def _better(self, held: Link, new: Link) -> Link:
        """The better path; else the one that the lower id dialled. Two of the same dialler, or of two boots of the peer: the new one,
        because nobody dials twice without having lost the first."""
        if _PATH_RANK[held.path] != _PATH_RANK[new.path]:
            return max(held, new, key=lambda link: _PATH_RANK[link.path])
        if held.dialled_by_me == new.dialled_by_me or held.boot_id != new.boot_id:
            return new
        lower_is_me = self._own_peer_id < new.peer_id
        return new if new.dialled_by_me == lower_is_me else held

"""What a peer's few words make the board do: work for what they say, not for all leaves of the payload."""

from __future__ import annotations

from overlay_node.protocol.states import DownloaderEvent
from overlay_node.swarm.board import Board
from overlay_node.swarm.piece_map import PieceMap
from overlay_node.swarm.source import Source

LEAVES = 4096


def board_of(*names: str) -> tuple[Board, list[Source]]:
    sources: dict[str, Source] = {}
    board = Board(PieceMap(payload_bytes=LEAVES * 262_144, leaf_bytes=262_144), sources)
    for name in names:
        source = sources[name] = Source(peer=name, since=0.0)
        source.on(DownloaderEvent.MANIFEST_REQUESTED)
        source.on(DownloaderEvent.MANIFEST_ACCEPTED)
        board.holds_more(source, [(0, LEAVES)])
    return board, list(sources.values())


def test_each_further_leaf_that_a_peer_does_not_have_costs_no_look_at_all_of_them() -> None:
    board, (liar, _honest) = board_of("liar", "honest")
    board.holds_not(liar, 0)
    sorted_once = board.epoch
    for leaf in range(1, 12):
        board.holds_not(liar, leaf)
    assert board.epoch == sorted_once
    assert [board.rarity(leaf) for leaf in (0, 11, 12)] == [1, 1, 2]
    board.gone(liar)
    assert [board.rarity(leaf) for leaf in (0, 11, 12)] == [1, 1, 1]


def test_who_was_caught_is_counted_leaf_by_leaf_whatever_it_says_then() -> None:
    board, (liar, _honest) = board_of("liar", "honest")
    board.holds_not(liar, 5)
    liar.undelivered = True
    for _ in range(20):
        board.holds_more(liar, [(0, LEAVES)])
        assert not liar.complete
        assert board.rarity(5) == 2
        before = board.epoch
        board.holds_not(liar, 5)
        assert board.rarity(5) == 1
        assert board.epoch - before <= 1
    assert board.epoch <= 4

"""Buffers of chunks: used again, but never while somebody holds one."""

from __future__ import annotations

from overlay_node.protocol.envelope import ChunkBuffers
from overlay_node.protocol.limits import MAX_CHUNK_BYTES


def test_a_buffer_that_nobody_holds_is_used_again() -> None:
    buffers = ChunkBuffers()
    taken = buffers.take(MAX_CHUNK_BYTES)
    place = id(taken)
    del taken
    assert id(buffers.take(MAX_CHUNK_BYTES)) == place


def test_a_buffer_is_left_alone_while_a_view_of_a_part_of_it_lives() -> None:
    buffers = ChunkBuffers()
    view = memoryview(buffers.take(MAX_CHUNK_BYTES))[5:9]
    view[:] = b"held"
    for _ in range(3):
        other = buffers.take(MAX_CHUNK_BYTES)
        other[:] = bytes(MAX_CHUNK_BYTES)
    assert bytes(view) == b"held"
    held = view.obj
    view.release()
    assert buffers.take(MAX_CHUNK_BYTES) is not held  # `held` itself still counts


def test_a_buffer_that_its_holder_shortened_is_not_handed_out_again() -> None:
    buffers = ChunkBuffers()
    taken = buffers.take(MAX_CHUNK_BYTES)
    del taken[10:]
    del taken
    assert len(buffers.take(MAX_CHUNK_BYTES)) == MAX_CHUNK_BYTES


def test_other_sizes_are_fresh_and_exact() -> None:
    buffers = ChunkBuffers()
    assert len(buffers.take(7)) == 7
    assert buffers.take(7) == bytes(7)


def test_no_more_than_so_many_are_kept() -> None:
    buffers = ChunkBuffers(most=2)
    held = [buffers.take(MAX_CHUNK_BYTES) for _ in range(5)]
    assert len({id(one) for one in held}) == 5
    kept = {id(one) for one in held[:2]}
    held.clear()
    del held
    again = [buffers.take(MAX_CHUNK_BYTES) for _ in range(2)]
    assert {id(one) for one in again} == kept

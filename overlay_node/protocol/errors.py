"""The two kinds of failure of the wire protocol.

Nothing in ``overlay_node.protocol`` raises anything else: whoever pumps bytes needs exactly two branches. A local error is our bug and
fails loudly; a remote error closes the connection and counts against the peer. Neither ever carries peer text in its sentence.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """A rule of PROTOCOL.md was broken. ``code`` is stable and machine-readable, ``sentence`` is for a person."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


class LocalProtocolError(ProtocolError):
    """This side tried to do something that the protocol does not allow. Always a bug here, never the peer's fault."""


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule. The connection is to be closed and the peer (and its group) charged with one violation."""

"""The two ways the core says no: our own mistake (loud) or a remote one (counted and dropped, never past `receive_datagram`)."""

from __future__ import annotations


class LocalProtocolError(Exception):
    """The caller asked for something that is never right (bad length, announce while read-only, queue full). `code` is stable."""

    def __init__(self, sentence: str, *, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class RemoteProtocolError(Exception):
    """A datagram broke a rule. `code` names the rule in the statistics.

    `transaction_id` is set when the datagram was a recognisable query, so that it can be refused with a KRPC error.
    """

    def __init__(self, code: str, *, transaction_id: bytes | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.transaction_id = transaction_id

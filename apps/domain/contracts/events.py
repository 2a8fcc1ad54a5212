"""NodeEvent payloads: kind, version and fields, read and written here alone.

A newer reader meets older rows: `read_event` upcasts. An unknown kind or a newer version is refused with a code, never guessed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from apps.domain.errors import DomainError


class ContractError(DomainError):
    """A payload that this version can't read."""

    default_code = "contract_unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStarted:
    """The node began to fetch a payload for a want."""

    kind = "transfer_started"
    version = 1
    transfer_id: uuid.UUID
    want_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAssembled:
    """All leaves verified, the file stands complete in the partial folder and waits for its verdict."""

    kind = "transfer_assembled"
    version = 1
    transfer_id: uuid.UUID
    want_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSampled:
    """The beginning stands on disk, long enough for a fingerprint, while the rest is still fetched. Told at most once a run of the node."""

    kind = "transfer_sampled"
    version = 1
    transfer_id: uuid.UUID
    want_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnded:
    """A transfer failed or was stopped; `code` says why. The want goes on unless the control plane changes it."""

    kind = "transfer_ended"
    version = 1
    transfer_id: uuid.UUID
    want_id: uuid.UUID
    code: str


NodeEventPayload = TransferStarted | TransferSampled | TransferAssembled | TransferEnded


def write_event(event: NodeEventPayload) -> tuple[str, int, dict[str, str]]:
    """(kind, version, JSON payload) of an event."""
    payload = {"transfer_id": str(event.transfer_id), "want_id": str(event.want_id)}
    if isinstance(event, TransferEnded):
        payload["code"] = event.code
    return event.kind, event.version, payload


def read_event(*, kind: str, version: int, payload: dict[str, object]) -> NodeEventPayload:
    """The event of a row. Raises ContractError for an unknown kind, a newer version or missing fields."""
    if version != 1:
        raise ContractError(f"Event {kind} has version {version}; this program reads version 1.", kind=kind)
    try:
        transfer_id, want_id = uuid.UUID(str(payload["transfer_id"])), uuid.UUID(str(payload["want_id"]))
        match kind:
            case "transfer_started":
                return TransferStarted(transfer_id=transfer_id, want_id=want_id)
            case "transfer_sampled":
                return TransferSampled(transfer_id=transfer_id, want_id=want_id)
            case "transfer_assembled":
                return TransferAssembled(transfer_id=transfer_id, want_id=want_id)
            case "transfer_ended":
                return TransferEnded(transfer_id=transfer_id, want_id=want_id, code=str(payload["code"]))
    except (KeyError, ValueError) as error:
        raise ContractError(f"Event {kind} lacks a field or holds a wrong one.", kind=kind) from error
    raise ContractError(f"Unknown event kind {kind}.", kind=kind)

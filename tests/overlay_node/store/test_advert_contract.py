"""What every store of the node promises of adverts: the one in memory and the one over Django's rows, tested alike."""

from __future__ import annotations

import uuid
from typing import Any

from apps.domain.contracts.node_work import (
    AdvertHeld,
    AdvertisedVariant,
    AdvertReport,
    PeerReport,
)
from tests.overlay_node.store.store_world import OTHER, RECORDING, ROOT, World

BUNDLE = uuid.uuid4()


def advertised(number: int, *, recording: uuid.UUID = RECORDING, root: bytes | None = None) -> AdvertisedVariant:
    return AdvertisedVariant(
        variant_id=f"v{number}",
        recording_mbid=recording,
        payload_format="flac",
        payload_root=root or bytes([number]) * 32,
        profile="flac-16-44100-2",
        payload_bytes=1000 + number,
        duration_ms=1000,
    )


def advert(sequence: int, *variants: AdvertisedVariant, **changes: Any) -> AdvertReport:
    whole: dict[str, Any] = {
        "peer": "p",
        "group": "g",
        "bundle_id": BUNDLE,
        "sequence": sequence,
        "full": True,
        "first": True,
        "last": True,
        "more": False,
        "ttl_s": 600,
        "variants": variants,
    }
    return AdvertReport(**{**whole, **changes})


def said(world: World, *recordings: uuid.UUID) -> list[int]:
    """Sizes of what adverts say of some recordings."""
    return sorted(one.payload_bytes for one in world.run(world.store.sources_advertised(recordings)).claims)


def test_a_snapshot_replaces_what_was_said_and_steps_change_it(world: World) -> None:
    store, run = world.store, world.run
    assert run(store.advert_record(advert(1, advertised(1), advertised(2, recording=OTHER))))
    assert run(store.advert_held("p")) == AdvertHeld(bundle_id=BUNDLE, sequence=1)
    assert said(world, RECORDING, OTHER) == [1001, 1002]
    assert said(world, OTHER) == [1002]
    assert run(store.advert_record(advert(2, advertised(3), full=False, withdrawn=("v1", "unknown"))))
    assert said(world, RECORDING, OTHER) == [1002, 1003]
    assert run(store.advert_record(advert(1, advertised(4), bundle_id=OTHER)))
    assert said(world, RECORDING, OTHER) == [1004]


def test_what_a_snapshot_does_not_name_goes_with_its_last_part_only(world: World) -> None:
    store, run = world.store, world.run
    run(store.advert_record(advert(1, advertised(1))))
    run(store.advert_record(advert(5, advertised(2), last=False)))
    assert said(world, RECORDING) == [1001, 1002]
    assert run(store.advert_held("p")) is None
    run(store.advert_record(advert(5, advertised(3), first=False)))
    assert said(world, RECORDING) == [1002, 1003]
    assert run(store.advert_held("p")) == AdvertHeld(bundle_id=BUNDLE, sequence=5)


def test_a_step_without_its_snapshot_is_not_kept(world: World) -> None:
    assert not world.run(world.store.advert_record(advert(2, advertised(1), full=False)))
    assert said(world, RECORDING) == []
    assert world.run(world.store.advert_held("p")) is None


def test_advertised_sources_come_with_their_addresses_and_without_refuted_claims(world: World) -> None:
    store, run = world.store, world.run
    run(store.peer_met(PeerReport(key="p", host="192.0.2.7", port=5000, group="g")))
    run(store.advert_record(advert(1, advertised(1, root=ROOT), advertised(2))))
    found = run(store.sources_advertised([RECORDING]))
    assert [(one.host, one.port) for one in found.addresses] == [("192.0.2.7", 5000)]
    assert all(one.complete and one.facts == {"dur_ms": 1000} and one.group == "g" for one in found.claims)
    run(store.claims_record([world.claim("p")]))
    assembled = world.assembled(world.rows.want_put())
    world.rows.verdict_put(assembled, accepted=False, code="wrong_recording")
    run(store.verdict_apply(assembled))
    assert said(world, RECORDING) == [1002]


def test_renewing_and_expiring_leave_what_is_still_good(world: World) -> None:
    world.run(world.store.advert_record(advert(1, advertised(1))))
    assert world.run(world.store.advert_renew("p", ttl_s=600))
    assert not world.run(world.store.advert_renew("unknown", ttl_s=600))
    assert world.run(world.store.adverts_expire()) == 0
    assert said(world, RECORDING) == [1001]

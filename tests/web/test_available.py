"""The part of the mesh's page that tells what neighbours say they hold."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from apps.catalog.models import Recording
from apps.domain.contracts.node_work import AdvertisedVariant, AdvertReport
from apps.mesh.services_adverts import advert_record
from apps.peers.services import peer_ids

pytestmark = pytest.mark.django_db


def tell(peer: str, recording: uuid.UUID) -> None:
    variant = AdvertisedVariant(
        variant_id="v1",
        recording_mbid=recording,
        payload_format="flac",
        payload_root=bytes(32),
        profile="flac-16-44100-2",
        payload_bytes=1000,
    )
    report = AdvertReport(
        peer=peer,
        group="g",
        bundle_id=uuid.uuid4(),
        sequence=1,
        full=True,
        first=True,
        last=True,
        more=False,
        ttl_s=600,
        variants=(variant,),
    )
    assert advert_record(report, peer_id=peer_ids({peer})[peer])


def test_what_neighbours_say_is_shown_safely_and_as_their_word(viewer: Client) -> None:
    assert "No neighbour told of anything yet" in viewer.get("/mesh").content.decode()
    known = uuid.uuid4()
    Recording.objects.create(mbid=known, title="Starálfur <b>", artist_credit="Sigur Rós")
    tell("a", known)
    tell("b", known)
    page = viewer.get("/mesh").content.decode()
    assert "Starálfur &lt;b&gt;" in page
    assert "2 peers" in page
    assert "As neighbours say" in page

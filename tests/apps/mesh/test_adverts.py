"""What neighbours advertise, as rows: quotas, expiry, and how it is shown."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.catalog.models import Recording
from apps.domain.contracts.node_work import AdvertisedVariant, AdvertReport
from apps.mesh import selectors_adverts, services_adverts
from apps.mesh.models import Advert, AvailableVariant
from apps.mesh.selectors_adverts import available_query, available_totals, sources_advertised
from apps.mesh.services_adverts import advert_record, advert_renew, adverts_expire
from apps.peers.services import peer_ids
from slskdn_site.cli.main import main

pytestmark = pytest.mark.django_db
BUNDLE = uuid.uuid4()


def variant(number: int, *, recording: uuid.UUID | None = None, profile: str = "flac-16-44100-2") -> AdvertisedVariant:
    return AdvertisedVariant(
        variant_id=f"v{number}",
        recording_mbid=recording or uuid.UUID(int=number),
        payload_format="flac",
        payload_root=number.to_bytes(32, "big"),
        profile=profile,
        payload_bytes=1000,
    )


def tell(peer: str, *variants: AdvertisedVariant, **changes: Any) -> bool:
    whole: dict[str, Any] = {
        "peer": peer,
        "group": "g",
        "bundle_id": BUNDLE,
        "sequence": 1,
        "full": True,
        "first": True,
        "last": True,
        "more": False,
        "ttl_s": 600,
        "variants": variants,
    }
    return advert_record(AdvertReport(**{**whole, **changes}), peer_id=peer_ids({peer})[peer])


def test_a_peer_that_tells_too_much_keeps_what_it_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_adverts, "MAX_PER_PEER", 3)
    tell("a", *(variant(number) for number in range(5)), last=False)
    tell("a", *(variant(number) for number in range(5, 9)), first=False)
    assert sorted(AvailableVariant.objects.values_list("variant_id", flat=True)) == ["v0", "v1", "v2"]
    assert Advert.objects.get().truncated
    tell("a", *(variant(number) for number in range(9, 11)), sequence=2)
    assert sorted(AvailableVariant.objects.values_list("variant_id", flat=True)) == ["v10", "v9"]
    assert not Advert.objects.get().truncated


def test_a_group_that_tells_too_much_loses_what_was_heard_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_adverts, "MAX_PER_GROUP", 4)
    tell("honest", variant(100), group="elsewhere")
    for number, peer in enumerate(("a", "b", "c")):
        tell(peer, variant(10 * number), variant(10 * number + 1))
    assert set(Advert.objects.values_list("peer__key", flat=True)) == {"honest", "b", "c"}


def test_all_together_are_bounded_and_who_renews_outlives_who_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_adverts, "MAX_IN_ALL", 4)
    tell("a", variant(1), variant(2), group="a")
    tell("b", variant(3), variant(4), group="b")
    advert_renew(peer_id=peer_ids({"a"})["a"], ttl_s=600)
    tell("c", variant(5), group="c")
    assert set(Advert.objects.values_list("peer__key", flat=True)) == {"a", "c"}
    assert not tell("b", variant(6), full=False, sequence=2)


def test_snapshots_that_are_begun_and_never_finished_do_not_add_up() -> None:
    tell("a", variant(0))
    for number in range(1, 9):
        tell("a", variant(2 * number), variant(2 * number + 1), last=False, sequence=1 + number)
    assert sorted(AvailableVariant.objects.values_list("variant_id", flat=True)) == ["v0", "v16", "v17"]


def test_quotas_hold_although_nobody_finishes_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_adverts, "MAX_PER_GROUP", 4)
    for number, peer in enumerate(("a", "b", "c", "d")):
        tell(peer, variant(10 * number), variant(10 * number + 1), last=False)
    assert AvailableVariant.objects.count() == 4


def test_who_fills_the_table_from_few_networks_pushes_out_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_adverts, "MAX_IN_ALL", 8)
    tell("honest", variant(100), group="honest")
    for number in range(6):
        tell(f"key{number}", variant(10 * number), variant(10 * number + 1), group=f"net{number % 2}")
    assert Advert.objects.filter(peer__key="honest").exists()
    assert AvailableVariant.objects.count() <= 8


def test_renewing_what_had_to_make_room_says_so() -> None:
    tell("a", variant(1))
    key = peer_ids({"a"})["a"]
    assert advert_renew(peer_id=key, ttl_s=600)
    Advert.objects.all().delete()
    assert not advert_renew(peer_id=key, ttl_s=600)


def test_who_advertises_much_of_a_recording_says_nobody_else_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors_adverts, "MAX_CLAIMS_PER_LOOK", 5)
    wanted = uuid.uuid4()
    tell("honest", variant(100, recording=wanted), group="elsewhere")
    tell("liar", *(variant(number, recording=wanted) for number in range(50)))
    assert {claim.peer for claim in sources_advertised([wanted]).claims} == {"honest", "liar"}


def test_what_nobody_renewed_is_not_believed_and_then_forgotten() -> None:
    tell("a", variant(1))
    Advert.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert sources_advertised([uuid.UUID(int=1)]).claims == ()
    assert available_query().count() == 0
    assert adverts_expire() == 1
    assert AvailableVariant.objects.count() == 0


def fill() -> uuid.UUID:
    known = uuid.uuid4()
    Recording.objects.create(mbid=known, title="Starálfur <b>", artist_credit="Sigur Rós")
    tell("a", variant(1, recording=known), variant(2))
    tell("b", variant(3, recording=known, profile="mp3-320-44100-2"))
    return known


def test_the_api_lists_recordings_with_names_peers_and_age(
    viewer_api: APIClient, stranger_api: APIClient, django_assert_max_num_queries: Any
) -> None:
    known = fill()
    with django_assert_max_num_queries(12):
        body = viewer_api.get("/api/mesh/available").json()
    by_recording = {item["recording_mbid"]: item for item in body["items"]}
    row = by_recording[str(known)]
    assert (row["title"], row["artist"], row["peers"], row["payloads"]) == ("Starálfur <b>", "Sigur Rós", 2, 2)
    assert row["profiles"] == ["flac-16-44100-2", "mp3-320-44100-2"]
    assert by_recording[str(uuid.UUID(int=2))]["title"] == ""
    assert body["totals"] == {"peers": 2, "recordings": 2, "variants": 3}
    first = viewer_api.get("/api/mesh/available?limit=1").json()
    second = viewer_api.get("/api/mesh/available", {"limit": 1, "cursor": first["next"]}).json()
    assert {first["items"][0]["recording_mbid"], second["items"][0]["recording_mbid"]} == set(by_recording)
    assert stranger_api.get("/api/mesh/available").status_code == 401


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    known = fill()
    assert main(["mesh", "available", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {item["recording"] for item in answer["available"]} == {str(known), str(uuid.UUID(int=2))}
    assert main(["mesh", "available"]) == 0
    assert "Sigur Rós – Starálfur" in capsys.readouterr().out


def test_totals_of_nothing_are_zero() -> None:
    totals = available_totals()
    assert (totals.peers, totals.recordings, totals.variants) == (0, 0, 0)

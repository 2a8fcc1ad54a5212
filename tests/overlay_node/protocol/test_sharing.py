"""Adverts and cache jobs on the wire: golden vectors, parts, order, features, limits."""

from __future__ import annotations

import dataclasses
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.protocol import limits
from overlay_node.protocol.advert_flow import AdvertIntake, AdvertMark, AdvertSeries, Heard, Told
from overlay_node.protocol.envelope import encode_frame, parse_envelope
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.events import MessageReceived
from overlay_node.protocol.messages import MbidQuery, Message, VariantOffer
from overlay_node.protocol.sharing import (
    BundleVariant,
    CacheConstraints,
    CacheJobRole,
    FingerprintBundleAdvert,
    FingerprintBundleRequest,
    MeshCacheJob,
    RequestedTrack,
    read_bundle,
    write_bundle,
)
from overlay_node.protocol.states import AdvertReaderState, ConnectionState
from tests.overlay_node.protocol.pair import BUNDLE, ROOT, ConnectionPair, events, uuid

FEATURES = ("adverts/1", "cache_jobs/1")
ADVERT = FingerprintBundleAdvert(message_id=uuid(17), bundle_id=uuid(80), sequence=4, full_snapshot=True)


def speaking(**options: Any) -> ConnectionPair:
    return ConnectionPair(client={"features": FEATURES}, server={"features": FEATURES}, **options).opened()


def received(connection: Any) -> list[Message]:
    return [event.message for event in events(connection) if isinstance(event, MessageReceived)]


def told(number: int, *, recording: int | None = None, size: int = 1000) -> Told:
    variant = BundleVariant(
        variant_id=f"{number:032x}", profile="flac-16-44100-2", payload_format="flac", payload_root=ROOT, size=size
    )
    return Told(uuid(recording if recording is not None else number), variant)


# ---- golden vectors -----------------------------------------------------------------------------------------------------------------


def test_an_advert_and_its_attachment_look_like_this_on_the_wire() -> None:
    head, body = encode_frame(ADVERT, write_bundle(recordings=BUNDLE, withdrawn=("b2",))[0])
    assert json.loads(head[4:]) == {
        "type": "fingerprint_bundle_advert",
        "version": 1,
        "message_id": "00000011-0000-4000-8000-000000000000",
        "bundle_id": "00000050-0000-4000-8000-000000000000",
        "sequence": 4,
        "full_snapshot": True,
        "part": 1,
        "parts": 1,
        "ttl_s": 21600,
        "more": False,
        "attachment_bytes": len(body),
    }
    assert bytes(body) == (
        b'{"recordings":[{"recording":"00000047-0000-4000-8000-000000000000","acoustid":"00000051-0000-4000-8000-'
        b'000000000000","variants":[{"variant_id":"a1","profile":"flac-16-44100-2","payload_format":"flac",'
        b'"payload_root":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","size":1000,'
        b'"container":"flac","duration_ms":5000,"bitrate_kbps":900,"pcm_md5":"00000000000000000000000000000000",'
        b'"fingerprint":"cHJpbnQ=","transcode_suspect":false,"quality_score":0.5,"verified":true}]}],"withdrawn":["b2"]}'
    )


def test_a_cache_job_and_its_offer_look_like_this_on_the_wire() -> None:
    request = MeshCacheJob(
        message_id=uuid(1),
        job_id=uuid(90),
        role=CacheJobRole.REQUEST,
        release=uuid(70),
        requested_tracks=(RequestedTrack(recording=uuid(71)),),
        constraints=CacheConstraints(max_peers=8),
    )
    offer = dataclasses.replace(
        request, message_id=uuid(2), in_reply_to=uuid(1), role=CacheJobRole.OFFER, requested_tracks=()
    )
    assert encode_frame(request)[0][4:] == (
        b'{"type":"mesh_cache_job","version":1,"message_id":"00000001-0000-4000-8000-000000000000",'
        b'"job_id":"0000005a-0000-4000-8000-000000000000","role":"request","release":"00000046-0000-4000-8000-000000000000",'
        b'"requested_tracks":[{"recording":"00000047-0000-4000-8000-000000000000","priority":5}],"offered_tracks":[],'
        b'"constraints":{"ttl_s":600,"max_peers":8,"allow_transitive_relay":false,"allow_new_soulseek_fetch":false,'
        b'"respect_soulseek_slots":true}}'
    )
    assert b'"in_reply_to":"00000001-0000-4000-8000-000000000000"' in encode_frame(offer)[0]


# ---- adverts: content ---------------------------------------------------------------------------------------------------------------


def read(data: bytes) -> FingerprintBundleAdvert:
    return read_bundle(ADVERT, data, parse=parse_envelope)


def test_what_was_written_in_many_parts_is_read_back_whole() -> None:
    series = AdvertSeries(uuid(80))
    assert series.update([told(number) for number in range(1000)])
    parts = series.parts_for(None)
    assert 4 < len(parts) <= limits.MAX_ADVERT_PARTS
    assert all(len(one.attachment) <= limits.MAX_ADVERT_PART_BYTES for one in parts)
    found = [
        r.recording for one in parts for r in read_bundle(one.advert, one.attachment, parse=parse_envelope).recordings
    ]
    assert found == [uuid(number) for number in range(1000)]


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"recordings":1}',
        b'{"recordings":[1]}',
        b'{"recordings":[{"recording":"x","variants":[]}]}',
        b'{"recordings":[{"recording":"00000047-0000-4000-8000-000000000000"}]}',
        b'{"withdrawn":["A"]}',
        b'{"withdrawn":["a","a"]}',
        b'{"withdrawn":["a"],"withdrawn":["b"]}',
        b'{"withdrawn":[NaN]}',
        b'{"x":' + b"[" * 20 + b"]" * 20 + b"}",
        write_bundle(recordings=BUNDLE * 2, withdrawn=())[0],
    ],
)
def test_an_attachment_that_breaks_a_rule_is_a_remote_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(data)


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: json.dumps({"recordings": text}).encode()))
@settings(max_examples=80)
def test_no_attachment_raises_anything_but_a_remote_error(data: bytes) -> None:
    try:
        read(data)
    except RemoteProtocolError as error:
        assert error.code


def test_unknown_fields_of_an_attachment_are_ignored() -> None:
    assert read(b'{"withdrawn":["a"],"mood":{"x":[1]}}').withdrawn == ("a",)


# ---- adverts: order -----------------------------------------------------------------------------------------------------------------


def follow(intake: AdvertIntake, parts: list[Any], rows: dict[str, Told]) -> list[Heard]:
    """A reader that writes down what it may, as the node's service does."""
    heard = []
    for one in parts:
        advert = read_bundle(one.advert, one.attachment, parse=parse_envelope)
        verdict = intake.take(advert)
        heard.append(verdict)
        if verdict is Heard.KEEP:
            if advert.full_snapshot and advert.part == 1:
                rows.clear()
            for recording in advert.recordings:
                rows.update({v.variant_id: Told(recording.recording, v) for v in recording.variants})
            for name in advert.withdrawn:
                rows.pop(name, None)
    return heard


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), max_size=6), min_size=1, max_size=30), st.data()
)
@settings(max_examples=60, deadline=None)
def test_a_reader_that_lags_or_forgets_always_ends_with_what_the_sender_holds(
    holdings: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    series, intake, rows = AdvertSeries(uuid(80)), AdvertIntake(), dict[str, Told]()
    for held in holdings:
        now = [told(number, size=size) for number, size in dict(held).items()]
        series.update(now)
        if data.draw(st.booleans()):
            continue  # nobody told the reader: it lags
        if data.draw(st.integers(0, 9)) == 0:
            intake = AdvertIntake(intake.held)  # a new link, and the rows of before
        intake.asked()
        heard = follow(intake, series.parts_for(intake.held), rows)
        assert set(heard) <= {Heard.KEEP, Heard.RENEW}
        assert rows == {one.variant.variant_id: one for one in now}
        assert intake.held == series.mark


def test_a_gap_is_noticed_and_asked_about_once() -> None:
    series, rows = AdvertSeries(uuid(80)), dict[str, Told]()
    series.update([told(1)])
    intake = AdvertIntake()
    intake.asked()
    assert follow(intake, series.parts_for(None), rows) == [Heard.KEEP]
    held = intake.held
    series.update([told(1), told(2)])
    lost = series.mark
    series.update([told(1), told(2), told(3)])
    assert follow(intake, series.parts_for(lost), rows) == [Heard.ASK_AGAIN]
    assert follow(intake, series.parts_for(lost), rows) == [Heard.IGNORE]
    intake.asked()
    assert follow(intake, series.parts_for(held), rows) == [Heard.KEEP, Heard.KEEP]
    assert len(rows) == 3


def test_what_nobody_asked_for_and_what_is_replayed_changes_nothing() -> None:
    series = AdvertSeries(uuid(80))
    series.update([told(1)])
    first = series.parts_for(None)
    intake, rows = AdvertIntake(), dict[str, Told]()
    assert follow(intake, first, rows) == [Heard.IGNORE]
    intake.asked()
    follow(intake, first, rows)
    series.update([told(2)])
    follow(intake, series.parts_for(intake.held), rows)
    assert follow(intake, first, rows) == [Heard.IGNORE]
    assert list(rows.values()) == [told(2)]
    assert intake.state is AdvertReaderState.CURRENT


def test_a_torn_snapshot_is_not_held() -> None:
    series, rows = AdvertSeries(uuid(80)), dict[str, Told]()
    series.update([told(number) for number in range(900)])
    parts = series.parts_for(None)
    intake = AdvertIntake()
    intake.asked()
    assert set(follow(intake, parts[:2], rows)) == {Heard.KEEP}
    assert (intake.state, intake.held) == (AdvertReaderState.RECEIVING, None)
    assert follow(intake, parts[3:4], rows) == [Heard.ASK_AGAIN]


def test_a_node_that_holds_too_much_tells_the_first_and_says_so() -> None:
    series = AdvertSeries(uuid(80))
    series.update([told(number) for number in range(limits.MAX_VARIANTS_PER_ADVERT + 1)])
    assert series.parts_for(None)[0].advert.more
    series.update([told(number, recording=1) for number in range(limits.MAX_VARIANTS_PER_RECORDING + 1)])
    assert sum(len(one.advert.recordings) for one in series.parts_for(None)) == 0  # they are in the attachment
    (part,) = series.parts_for(None)
    (recording,) = read_bundle(part.advert, part.attachment, parse=parse_envelope).recordings
    assert len(recording.variants) == limits.MAX_VARIANTS_PER_RECORDING


# ---- on a connection ----------------------------------------------------------------------------------------------------------------


def test_an_advert_arrives_with_its_content() -> None:
    pair = speaking()
    pair.client.send(ADVERT, write_bundle(recordings=BUNDLE, withdrawn=("b2",))[0], now=pair.now)
    pair.pump()
    (advert,) = received(pair.server)
    assert isinstance(advert, FingerprintBundleAdvert)
    assert (advert.recordings, advert.withdrawn) == (BUNDLE, ("b2",))


@pytest.mark.parametrize("message", [ADVERT, FingerprintBundleRequest(message_id=uuid(5))], ids=["advert", "request"])
def test_peers_that_did_not_name_the_feature_are_never_sent_the_type_and_ignored_when_they_send_it(
    message: Any,
) -> None:
    pair = ConnectionPair(client={"features": FEATURES}).opened()
    with pytest.raises(LocalProtocolError) as caught:
        pair.client.send(message, now=pair.now)
    assert caught.value.code == "feature_missing"
    pair.server.receive_data(encode_frame(message)[0], pair.now)
    assert received(pair.server) == []
    assert pair.server.counts["unnegotiated"] == 1
    assert pair.server.state is ConnectionState.OPEN


def test_a_flood_of_adverts_is_a_violation() -> None:
    pair = speaking()
    data = encode_frame(ADVERT)[0]
    with pytest.raises(RemoteProtocolError) as caught:
        for _ in range(int(limits.ADVERT_BURST) + 1):
            pair.server.receive_data(data, pair.now)
    assert caught.value.code == "rate_exceeded"


def test_an_advert_that_inflates_beyond_its_limit_is_refused_before_it_is_inflated() -> None:
    pair = speaking()
    bomb = zlib.compress(b" " * 2_000_000)
    whole = ADVERT.to_json() | {
        "attachment_bytes": len(bomb),
        "attachment_encoding": "zlib",
        "attachment_decoded_bytes": 2_000_000,
    }
    text = json.dumps(whole).encode()
    with pytest.raises(RemoteProtocolError) as caught:
        pair.server.receive_data(len(text).to_bytes(4, "big") + text + bomb, pair.now)
    assert caught.value.code == "attachment_too_large"


def job(**change: Any) -> MeshCacheJob:
    whole: dict[str, Any] = {
        "job_id": uuid(90),
        "role": CacheJobRole.REQUEST,
        "release": uuid(70),
        "requested_tracks": (RequestedTrack(recording=uuid(71)),),
    }
    return MeshCacheJob(**{**whole, **change})


def test_an_offer_that_nobody_asked_for_is_ignored_and_one_that_was_is_taken_once() -> None:
    pair = speaking()
    offer = job(role=CacheJobRole.OFFER, requested_tracks=(), in_reply_to=uuid(1), message_id=uuid(2))
    pair.client.receive_data(encode_frame(offer)[0], pair.now)
    assert received(pair.client) == []
    asked = pair.client.send(job(), now=pair.now)
    pair.pump()
    assert [type(one) for one in received(pair.server)] == [MeshCacheJob]
    answer = dataclasses.replace(offer, in_reply_to=asked)
    pair.server.send(answer, now=pair.now)
    pair.pump()
    assert received(pair.client) == [answer]
    pair.client.receive_data(encode_frame(answer)[0], pair.now)
    assert received(pair.client) == []
    assert pair.client.counts["unasked_answers"] == 2


def test_an_offer_to_a_query_or_to_a_request_that_was_answered_is_no_answer() -> None:
    pair = speaking()
    asked = pair.client.send(MbidQuery(recordings=(uuid(71),)), now=pair.now)
    offer = job(role=CacheJobRole.OFFER, requested_tracks=(), in_reply_to=asked, message_id=uuid(2))
    pair.client.receive_data(encode_frame(offer)[0], pair.now)
    assert received(pair.client) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: job(role=CacheJobRole.OFFER),
        lambda: job(in_reply_to=uuid(1)),
        lambda: job(requested_tracks=()),
        lambda: job(role=CacheJobRole.OFFER, in_reply_to=uuid(1)),
        lambda: job(requested_tracks=(RequestedTrack(recording=uuid(71)),) * 2),
        lambda: job(
            offered_tracks=(
                VariantOffer(recording=uuid(1), profile="flac", size=1, payload_format="flac", payload_root=ROOT),
            )
        ),
        lambda: CacheConstraints(ttl_s=1),
        lambda: FingerprintBundleAdvert(bundle_id=uuid(1), sequence=1, full_snapshot=True, part=2, parts=1),
        lambda: FingerprintBundleAdvert(bundle_id=uuid(1), sequence=0, full_snapshot=True),
    ],
)
def test_what_makes_no_sense_cannot_be_said(make: Any) -> None:
    with pytest.raises(LocalProtocolError):
        make()


def test_a_mark_of_another_series_gets_a_snapshot() -> None:
    series = AdvertSeries(uuid(80))
    series.update([])
    (part,) = series.parts_for(AdvertMark(uuid(81), 1))
    assert part.advert.full_snapshot
    assert part.attachment == b""
    (renewal,) = series.parts_for(series.mark)
    assert renewal.advert.is_renewal

from __future__ import annotations

import hashlib
import uuid

import pytest

from apps.domain.mesh.keys import KeyDomain, dht_key, mb_key

MBID = "f5093c06-23e3-404f-aeaa-40f72885ee3a"


def test_a_musicbrainz_key_is_the_sha1_of_prefix_and_lower_case_mbid() -> None:
    assert mb_key(MBID) == hashlib.sha1(b"slskdn-mb-v1:" + MBID.encode()).digest()
    assert mb_key(MBID).hex() == "c86063e45f050a53aa736d9cfcbec3b3c2cb52ed"


@pytest.mark.parametrize("spelling", [MBID.upper(), "{" + MBID + "}", MBID.replace("-", ""), uuid.UUID(MBID)])
def test_every_spelling_of_an_mbid_meets_at_the_same_key(spelling: str | uuid.UUID) -> None:
    assert mb_key(spelling) == mb_key(MBID)


def test_what_is_not_a_uuid_has_no_key() -> None:
    with pytest.raises(ValueError, match="UUID"):
        mb_key("not-an-mbid")


def test_domains_keep_the_same_key_apart() -> None:
    assert len({dht_key(domain, b"x") for domain in KeyDomain}) == len(KeyDomain)

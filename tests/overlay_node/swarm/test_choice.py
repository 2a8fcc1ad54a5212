"""Which payload is chosen, and why."""

from __future__ import annotations

from apps.domain.jobs.constraints import Constraints
from overlay_node.swarm.choice import Candidate, NoChoice, PayloadClaim, PayloadKey, candidates_of

FLAC, HIGH, MP3 = "flac-16-44100-2", "flac-24-96000-2", "mp3-320-44100-2"


def claim(peer: str, root: str, profile: str = FLAC, **changes: object) -> PayloadClaim:
    given: dict[str, object] = {
        "peer": peer,
        "group": f"group of {peer}",
        "key": PayloadKey(profile.partition("-")[0], root.encode().ljust(32)),
        "profile": profile,
        "payload_bytes": 1000,
    }
    return PayloadClaim(**{**given, **changes})  # type: ignore[arg-type]


def chosen(*claims: PayloadClaim, **options: object) -> tuple[list[str], NoChoice | None]:
    given: dict[str, object] = {"constraints": Constraints(), "denied": frozenset()}
    found, why = candidates_of(claims, **{**given, **options})  # type: ignore[arg-type]
    return [one.key.payload_root.decode().strip() for one in found], why


def test_lossless_wins_over_more_lossy_sources() -> None:
    assert chosen(claim("a", "m", MP3), claim("b", "m", MP3), claim("c", "f")) == (["f", "m"], None)


def test_more_groups_win_over_more_peers_of_one_group() -> None:
    crowd = [claim(f"p{number}", "crowd", group="one") for number in range(5)]
    assert chosen(*crowd, claim("a", "wide"), claim("b", "wide"))[0] == ["wide", "crowd"]


def test_more_peers_win_within_one_group() -> None:
    assert chosen(claim("a", "z", group="g"), claim("b", "z", group="g"), claim("c", "a", group="g"))[0] == ["z", "a"]


def test_a_claimer_who_lied_before_loses_to_one_who_did_not() -> None:
    liars = [claim("a", "bad", wrong_claims=1), claim("b", "bad", wrong_claims=2)]
    assert chosen(*liars, claim("c", "good"))[0] == ["good", "bad"]


def test_a_length_that_does_not_fit_loses_and_an_unknown_one_does_not() -> None:
    wrong = [claim(peer, "long", facts={"dur_ms": 90_000}) for peer in "abc"]
    assert chosen(*wrong, claim("d", "unknown"), duration_ms=60_000)[0] == ["unknown", "long"]


def test_denied_and_refuted_payloads_are_out_and_it_is_said() -> None:
    denied = frozenset({PayloadKey("flac", b"x".ljust(32))})
    assert chosen(claim("a", "x"), denied=denied) == ([], NoChoice.ALL_DENIED)
    assert chosen(claim("a", "x", refuted=True)) == ([], NoChoice.ALL_DENIED)
    assert chosen() == ([], NoChoice.NO_SOURCE)


def test_lossless_only_says_that_there_are_only_lossy_sources() -> None:
    strict = Constraints(allow_lossy=False)
    assert chosen(claim("a", "m", MP3), constraints=strict) == ([], NoChoice.ONLY_LOSSY)


def test_the_preferred_codec_wins_among_lossy_ones() -> None:
    prefers = Constraints(preferred_codecs=("opus", "mp3"))
    assert chosen(claim("a", "m", MP3), claim("b", "o", "opus-128-48000-2"), constraints=prefers)[0] == ["o", "m"]


def test_a_whole_payload_wins_over_a_partial_one_and_a_finer_profile_breaks_the_tie() -> None:
    assert chosen(claim("a", "p", complete=False), claim("b", "w"))[0] == ["w", "p"]
    assert chosen(claim("a", "low"), claim("b", "high", HIGH))[0] == ["high", "low"]


def test_nonsense_profiles_are_ignored_and_one_liar_does_not_speak_for_a_payload() -> None:
    assert chosen(claim("a", "x", "flac-99-1-1")) == ([], NoChoice.NO_SOURCE)
    honest = [claim("a", "x"), claim("b", "x"), claim("c", "x", payload_bytes=5)]
    found, _ = candidates_of(honest, constraints=Constraints(), denied=frozenset())
    assert isinstance(found[0], Candidate)
    assert found[0].payload_bytes == 1000
    assert found[0].peers == ("a", "b", "c")

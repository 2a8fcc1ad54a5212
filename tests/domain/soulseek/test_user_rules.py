"""Rules of users: who they are about, which is stronger, and patterns that never take long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.user_rules import (
    BadPattern,
    Effect,
    MatchBy,
    Rule,
    RuleBook,
    Standing,
    checked,
    compiled,
    groups_of,
)


def rule(effect: str, match: str, pattern: str, group: str = "") -> Rule:
    return Rule(effect=Effect(effect), match=MatchBy(match), pattern=pattern, group=group)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("bob", ["bob"], ["Bob", "bobby", "xbob", ""]),
        ("(?i)bob", ["BOB", "bOb"], ["bobs"]),
        ("b.b", ["bob", "b\u00e9b"], ["bb"]),
        ("bot[0-9]+", ["bot1", "bot123"], ["bot", "botx"]),
        ("[^a-z]*", ["", "123", "ABC"], ["a1"]),
        ("(spam|ham)+", ["spam", "spamham"], ["spa", ""]),
        (r"\w{3,5}", ["abc", "abcde"], ["ab", "abcdef", "a c"]),
        (r"a\.b", ["a.b"], ["axb"]),
        ("x?y*", ["", "x", "xyy"], ["xx"]),
        ("^bob$", ["bob"], ["bobb"]),
        ("(a{2}){2}", ["aaaa"], ["aaa", "aaaaa"]),
        (r"[\d_-]+", ["1-_2"], ["a"]),
        ("a|", ["a", ""], ["b"]),
        ("[]a]", ["]", "a"], ["["]),
    ],
)
def test_patterns_are_about_whole_names(pattern: str, matching: list[str], others: list[str]) -> None:
    test = compiled(pattern)
    assert [name for name in matching if not test(name)] == []
    assert [name for name in others if test(name)] == []


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "*a", "a{2", "a{3,1}", "a{99}", "[a", "[z-a]", "(?=a)", "(?P<n>a)", r"\1", r"\b", "a" * 201, "((a{50}){50}){50}", "(" * 30 + ")" * 30],
)  # fmt: skip
def test_what_is_not_understood_or_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compiled(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*)*x", "(a?){40}a{40}", "((a*)*)*b", "(a|aa)+$b"])
def test_patterns_that_others_choke_on_look_at_each_letter_once(pattern: str) -> None:
    """The steps are counted, not the time: each letter meets each state at most once."""
    test = compiled(pattern)
    steps = 0
    machine = test.__closure__
    assert machine is not None
    (engine,) = [cell.cell_contents for cell in machine if hasattr(cell.cell_contents, "closure")]
    original = type(engine).closure

    def counted(self: object, states: object) -> set[int]:
        nonlocal steps
        found: set[int] = original(self, states)
        steps += len(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine), "closure", counted)
        test("a" * 120)
    assert steps <= 121 * len(engine.tests)


SIMPLE = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        inner.map(lambda one: f"({one})*"),
        inner.map(lambda one: f"({one})?"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        inner.map(lambda one: f"({one}){{1,2}}"),
    ),
    max_leaves=6,
)


@given(SIMPLE, st.text(alphabet="abc", max_size=6))
def test_it_matches_what_pythons_own_would(pattern: str, name: str) -> None:
    assert compiled(pattern)(name) is (re.fullmatch(pattern, name) is not None)


def test_the_exact_name_is_stronger_than_patterns_and_addresses() -> None:
    book = RuleBook(
        [
            rule("ban", "regex", "(?i)b.*"),
            rule("buddy", "user", "bob"),
            rule("ban", "cidr", "10.0.0.0/8"),
            rule("ignore", "cidr", "2001:db8::/32"),
            rule("ignore", "user", "mallory"),
            rule("buddy", "regex", "m.*"),
            rule("group", "user", "eve", "vip"),
        ]
    )
    assert book.standing("bob", "10.1.2.3") == Standing(buddy=True)
    assert book.standing("Bill").banned
    assert book.standing("mallory") == Standing(ignored=True)
    assert book.standing("mona").buddy
    assert book.standing("carol", "10.1.2.3").banned
    assert book.standing("carol", "::ffff:10.1.2.3").banned
    assert book.standing("carol", "2001:db8::1").ignored
    assert not book.standing("carol", "192.0.2.1").refused
    assert not book.standing("carol", "no address").refused
    assert book.standing("eve").groups == ("vip",)


@pytest.mark.parametrize(
    "wrong",
    [
        rule("ban", "cidr", "10.0.0.0/33"),
        rule("ban", "cidr", "0.0.0.0/0"),
        rule("buddy", "cidr", "10.0.0.0/8"),
        rule("ban", "user", ""),
        rule("ban", "user", "x" * 121),
        rule("group", "user", "bob"),
        rule("ban", "user", "bob", "vip"),
        rule("ban", "regex", "("),
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: Rule) -> None:
    with pytest.raises(BadPattern):
        checked(wrong)


def test_rules_are_kept_in_their_normal_form() -> None:
    assert checked(rule("ban", "cidr", " 10.1.2.3/8 ")).pattern == "10.0.0.0/8"
    assert checked(rule("ban", "user", " spaced ")).pattern == " spaced "


def test_buddies_are_no_leechers_and_groups_are_those_that_are_configured() -> None:
    configured = {"buddies", "vip", "leechers", "default"}
    assert groups_of(Standing(buddy=True), leecher=True, privileged=True, configured=configured) == ("buddies",)
    assert groups_of(Standing(), leecher=True, privileged=False, configured=configured) == ("leechers",)
    assert groups_of(Standing(groups=("vip", "gone")), leecher=False, privileged=False, configured=configured) == (
        "vip",
    )

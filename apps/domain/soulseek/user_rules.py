"""Buddies, the ignored and the banned: by name, by pattern, by address. Pure.

Patterns are written by people and tried on names that strangers chose, so they must never take long. Python's `re` backtracks (`(a+)+b` needs minutes for
thirty letters), so patterns are not given to it: they are read here, by a grammar without references or look-around, into a machine that stands in a *set* of
states and reads each letter once. Work is at most states x letters: `MAX_STATES` x `MAX_NAME` steps, whatever the pattern. A pattern matches the whole name.

Grammar: letters, `.`, `[abc]`, `[^a-z]`, `\\d \\w \\s` and their opposites, `\\` before any other sign, `(…)`, `|`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}` (n ≤ 50);
`(?i)` at the beginning: upper and lower case are the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import DomainError

MAX_PATTERN: Final = 200
MAX_NAME: Final = 120
MAX_STATES: Final = 1000
MAX_REPEAT: Final = 50
MAX_RULES: Final = 2000
_REMEMBERED: Final = 5000


class Effect(StrEnum):
    """What a rule does. `ignore`: neither heard nor answered. `ban`: no uploads, no search replies, and they are told. `group`: in an upload group."""

    BUDDY = "buddy"
    IGNORE = "ignore"
    BAN = "ban"
    GROUP = "group"


class MatchBy(StrEnum):
    """What a rule looks at."""

    USER = "user"
    REGEX = "regex"
    CIDR = "cidr"


class BadPattern(DomainError):
    """A pattern, name or address range that can't be used."""

    default_code = "bad_pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as a person wrote it. `group`: of effect GROUP."""

    effect: Effect
    match: MatchBy
    pattern: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the rules say of a user."""

    buddy: bool = False
    ignored: bool = False
    banned: bool = False
    groups: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Neither files nor answers for them. A buddy by name is never refused by a pattern or an address: see `RuleBook`."""
        return self.ignored or self.banned


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def checked(rule: Rule) -> Rule:
    """The rule in its normal form (address ranges without host bits). Raises BadPattern with why."""
    pattern = rule.pattern.strip() if rule.match is not MatchBy.USER else rule.pattern
    if not pattern or len(pattern) > MAX_PATTERN:
        raise BadPattern("A pattern has 1 to 200 characters.", code="bad_pattern", most=MAX_PATTERN)
    if rule.match is MatchBy.REGEX:
        compiled(pattern)
    elif rule.match is MatchBy.CIDR:
        if rule.effect in (Effect.BUDDY, Effect.GROUP):
            raise BadPattern("Buddies and groups go by name; addresses change hands.", code="bad_rule_by_address")
        pattern = str(_network(pattern))
    elif len(pattern) > MAX_NAME:
        raise BadPattern("A name has at most 120 characters.", code="bad_pattern", most=MAX_NAME)
    if (rule.effect is Effect.GROUP) is (not rule.group):
        raise BadPattern("A rule of the kind `group` names its group, and no other does.", code="bad_rule_group")
    return Rule(effect=rule.effect, match=rule.match, pattern=pattern, group=rule.group)


class RuleBook:
    """All rules, ready to be asked for each message of each peer: what was found of a name is remembered.

    The exact name is stronger than a pattern or an address: a buddy by name is not banned by a range.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._by_name: dict[str, list[Rule]] = {}
        self._by_regex: list[tuple[Callable[[str], bool], Rule]] = []
        self._by_network: list[tuple[Network, Rule]] = []
        self._known: dict[str, Standing] = {}
        for rule in list(rules)[:MAX_RULES]:
            try:
                if rule.match is MatchBy.USER:
                    self._by_name.setdefault(rule.pattern, []).append(rule)
                elif rule.match is MatchBy.REGEX:
                    self._by_regex.append((compiled(rule.pattern), rule))
                else:
                    self._by_network.append((_network(rule.pattern), rule))
            except (
                BadPattern
            ):  # rows are checked when they are written; one of an older grammar must not stop the others
                continue

    def standing(self, user: str, address: str = "") -> Standing:
        """Of a user. `address` "" (not known yet): what the rules say of the name alone."""
        known = self._known.get(user)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[user] = self._of_name(user)
        if not address or not self._by_network or known.buddy or known.refused:
            return known
        return self._of_address(known, address)

    def _of_name(self, user: str) -> Standing:
        exact = self._by_name.get(user, ())
        named = {rule.effect for rule in exact}
        patterns = [rule for match, rule in self._by_regex if match(user[:MAX_NAME])]
        effects = named | {rule.effect for rule in patterns}
        buddy = Effect.BUDDY in effects
        if Effect.BUDDY in named:
            refusals = named
        elif named & {Effect.BAN, Effect.IGNORE}:
            buddy, refusals = False, named
        else:
            refusals = effects
        groups = tuple(
            dict.fromkeys(rule.group for rule in (*exact, *patterns) if rule.effect is Effect.GROUP and rule.group)
        )
        ignored, banned = Effect.IGNORE in refusals, Effect.BAN in refusals
        return Standing(buddy=buddy and not (ignored or banned), ignored=ignored, banned=banned, groups=groups)

    def _of_address(self, known: Standing, address: str) -> Standing:
        try:
            there = ipaddress.ip_address(address)
        except ValueError:
            return known
        mapped = getattr(there, "ipv4_mapped", None)
        there = mapped or there
        effects = {rule.effect for network, rule in self._by_network if there in network}
        if not effects:
            return known
        return Standing(ignored=Effect.IGNORE in effects, banned=Effect.BAN in effects, groups=known.groups)


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise BadPattern(
            "This is no address range such as 192.0.2.0/24.", code="bad_address_range", range=text
        ) from error
    if network.prefixlen == 0:
        raise BadPattern("A range of everybody bans everybody.", code="bad_address_range", range=text)
    return network


# ---- patterns

_Test = Callable[[str], bool]
_DIGIT: Final[_Test] = str.isdigit
_SPACE: Final[_Test] = str.isspace


def _word(one: str) -> bool:
    return one.isalnum() or one == "_"


_CLASSES: Final[dict[str, _Test]] = {"d": _DIGIT, "w": _word, "s": _SPACE}


@dataclass(slots=True)
class _Machine:
    """States: `tests[i]` is passed by a letter on the way to `nexts[i]`; without a test, the ways out are free. State 0 is the end."""

    tests: list[_Test | None] = field(default_factory=lambda: [None])
    nexts: list[tuple[int, ...]] = field(default_factory=lambda: [()])

    def add(self, test: _Test | None, *nexts: int) -> int:
        if len(self.tests) >= MAX_STATES:
            raise BadPattern("This pattern is too large: fewer or smaller repetitions.", code="bad_pattern_large")
        self.tests.append(test)
        self.nexts.append(nexts)
        return len(self.tests) - 1

    def closure(self, states: Iterable[int]) -> set[int]:
        """Those states and all that free ways lead to."""
        found: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state in found:
                continue
            found.add(state)
            if self.tests[state] is None:
                todo.extend(self.nexts[state])
        return found

    def matches(self, start: int, text: str) -> bool:
        here = self.closure((start,))
        for one in text:
            ways: list[int] = []
            for state in here:
                test = self.tests[state]
                if test is not None and test(one):
                    ways.extend(self.nexts[state])
            here = self.closure(ways)
            if not here:
                return False
        return 0 in here


# A part of a pattern, before it is built: given where it leads, it says where it begins. Built as often as it is repeated.
_Part = Callable[[_Machine, int], int]


def compiled(pattern: str) -> Callable[[str], bool]:
    """A test for whole names. Raises BadPattern."""
    if len(pattern) > MAX_PATTERN:
        raise BadPattern("A pattern has 1 to 200 characters.", code="bad_pattern", most=MAX_PATTERN)
    fold = pattern.startswith("(?i)")
    reader = _Reader(pattern[4:] if fold else pattern, fold=fold)
    part = reader.alternatives(0)
    if reader.at < len(reader.text):
        raise _bad("a bracket too many", reader.at)
    machine = _Machine()
    start = part(machine, 0)

    def match(name: str) -> bool:
        return machine.matches(start, name.casefold() if fold else name)

    return match


def _bad(why: str, at: int) -> BadPattern:
    return BadPattern("This pattern can't be read.", code="bad_pattern_syntax", why=why, at=at)


class _Reader:
    """Reads a pattern, left to right."""

    def __init__(self, text: str, *, fold: bool) -> None:
        self.text, self.fold, self.at = text, fold, 0

    def alternatives(self, depth: int) -> _Part:
        if depth > 20:
            raise _bad("brackets too deep", self.at)
        ways = [self._sequence(depth)]
        while self._take("|"):
            ways.append(self._sequence(depth))
        if len(ways) == 1:
            return ways[0]
        return lambda machine, to: machine.add(None, *(way(machine, to) for way in ways))

    def _sequence(self, depth: int) -> _Part:
        parts: list[_Part] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self._repeated(self._one(depth)))

        def build(machine: _Machine, to: int) -> int:
            for part in reversed(parts):
                to = part(machine, to)
            return to

        return build

    def _one(self, depth: int) -> _Part:
        one = self._next()
        if one == "(":
            if self._take("?") and not self._take(":"):
                raise _bad("only plain groups", self.at)
            inner = self.alternatives(depth + 1)
            if not self._take(")"):
                raise _bad("a bracket is not closed", self.at)
            return inner
        if one in "*+?{":
            raise _bad("nothing to repeat", self.at)
        if one in "^$":
            return lambda _machine, to: to  # a pattern matches whole names anyway
        return _letter(self._test(one))

    def _test(self, one: str) -> _Test:
        if one == ".":
            return lambda _letter: True
        if one == "[":
            return self._set()
        if one == "\\":
            return self._escaped()
        return self._literal(one)

    def _literal(self, one: str) -> _Test:
        wanted = one.casefold() if self.fold else one
        return lambda letter: letter == wanted

    def _escaped(self) -> _Test:
        one = self._next()
        known = _CLASSES.get(one.lower())
        if known is not None:
            return known if one.islower() else lambda letter: not known(letter)
        if one.isalnum():
            raise _bad(f"\\{one} is not known", self.at)
        return self._literal(one)

    def _set(self) -> _Test:
        opposite = self._take("^")
        tests: list[_Test] = []
        while not tests or not self._take("]"):  # a bracket that comes first is meant itself
            one = self._next()
            if one == "\\":
                tests.append(self._escaped())
            elif self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                tests.append(self._range(one, self._next()))
            else:
                tests.append(self._literal(one))
        return lambda letter: any(test(letter) for test in tests) is not opposite

    def _range(self, low: str, high: str) -> _Test:
        if low > high or "\\" in (low, high):
            raise _bad("a range runs backwards", self.at)
        if self.fold:
            return lambda letter: low <= letter <= high or low <= letter.upper() <= high
        return lambda letter: low <= letter <= high

    def _repeated(self, part: _Part) -> _Part:
        while self.at < len(self.text) and self.text[self.at] in "*+?{":
            one = self._next()
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(one) or self._bounds()
            self._take("?")  # lazy or not is the same for a whole name
            part = _repeat(part, least, most)
        return part

    def _bounds(self) -> tuple[int, int | None]:
        inside, closed, _ = self.text[self.at :].partition("}")
        low, comma, high = inside.partition(",")
        if not closed or not low.isdecimal() or (high and not high.isdecimal()):
            raise _bad("a repetition is not closed", self.at)
        self.at += len(inside) + 1
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise _bad(f"at most {MAX_REPEAT} repetitions", self.at)
        return least, most

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise _bad("it ends too early", self.at)
        self.at += 1
        return self.text[self.at - 1]

    def _take(self, one: str) -> bool:
        if self.text[self.at : self.at + 1] != one:
            return False
        self.at += 1
        return True


def _letter(test: _Test) -> _Part:
    return lambda machine, to: machine.add(test, to)


def _repeat(part: _Part, least: int, most: int | None) -> _Part:
    def build(machine: _Machine, to: int) -> int:
        if most is None:
            again = machine.add(None)
            machine.nexts[again] = (part(machine, again), to)
            to = again
        else:
            end = to
            for _ in range(most - least):
                to = machine.add(None, part(machine, to), end)
        for _ in range(least):
            to = part(machine, to)
        return to

    return build


def groups_of(standing: Standing, *, leecher: bool, privileged: bool, configured: Collection[str]) -> tuple[str, ...]:
    """The upload groups a user is in. Buddies are never leechers; those who pay for the server count as `privileged` where such a group is configured."""
    names = [*standing.groups]
    if standing.buddy:
        names.append("buddies")
    elif leecher:
        names.append("leechers")
    if privileged:
        names.append("privileged")
    return tuple(name for name in names if name in configured or name == "buddies")

"""One download's life as decisions: what an answer, a silence or a broken connection means, when to ask again, when to give up. And which to ask next.

`now` is monotonic seconds. Time without a session of ours counts against nobody: `offline`/`online` stop and start the clocks. Pure.

Soulseek's own words for a refusal are free text; `refusal_of` knows those that clients send (Nicotine+, Qt, slskd, aioslsk) and takes any other as a refusal
that may pass.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import Param
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadState, Outcome

FRESH_BYTES: Final = 1 << 20
"""So much since the last break, and the attempts are counted from the beginning again: it goes on, if in pieces."""
MAX_PAUSE_S: Final = 300.0
FULL_THERE_S: Final = 600.0
"""Before a sharer is asked again that said we have too much in its queue."""
DISK_S: Final = 60.0
"""Before a download that found no room here is begun again."""
SETTLED_S: Final = 30.0
"""Waiting in a sharer's queue for so long, it is a queue: more of the same folder may wait there too."""
AHEAD: Final = 20
"""Files that wait at one sharer at the same time."""
AWAY_BREAKS: Final = 3
"""Breaks after which a sharer that is not online, and gave most of the file already, is left where somebody else has it."""
AWAY_GRACE_S: Final = 15.0
"""So long it is given to come back then: a client that is started anew is there sooner."""
RETURN_S: Final = 1.0
"""After a sharer came online: its client is given a moment before it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRules:
    """`soulseek.downloads`."""

    at_once: int = 10
    per_user: int = 1
    speed_kbps: int = 0
    answer_timeout_s: float = 120.0
    queue_timeout_s: float = 86_400.0
    queue_patience_s: float = 300.0
    """likewise without coming nearer, where somebody else has the file and a free slot"""
    attempts: int = 5
    stall_s: float = 60.0
    """without a byte: the connection counts as dead, and the rest is asked for again"""
    pause_s: float = 5.0
    """before the second attempt; doubles, up to MAX_PAUSE_S"""
    away_s: float = 60.0
    """likewise where the sharer is not online"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a sharer's words mean. `outcome` None: not for good, `again_s` later it may be asked again."""

    code: str
    state: DownloadState
    outcome: Outcome
    again_s: float | None = None


_REFUSALS: Final[tuple[tuple[str, Refusal], ...]] = (
    ("banned", Refusal(code="banned_there", state=DownloadState.REFUSED, outcome=Outcome.BANNED)),
    ("blocked", Refusal(code="banned_there", state=DownloadState.REFUSED, outcome=Outcome.BANNED)),
    ("not shared", Refusal(code="not_shared", state=DownloadState.REFUSED, outcome=Outcome.NOT_SHARED)),
    ("not available", Refusal(code="not_shared", state=DownloadState.REFUSED, outcome=Outcome.NOT_SHARED)),
    ("not found", Refusal(code="not_shared", state=DownloadState.REFUSED, outcome=Outcome.NOT_SHARED)),
    ("no such file", Refusal(code="not_shared", state=DownloadState.REFUSED, outcome=Outcome.NOT_SHARED)),
    ("disallowed extension", Refusal(code="refused_there", state=DownloadState.REFUSED, outcome=Outcome.REFUSED)),
    ("too many", Refusal(code="full_there", state=DownloadState.QUEUED, outcome=Outcome.REFUSED, again_s=FULL_THERE_S)),
    ("limit", Refusal(code="full_there", state=DownloadState.QUEUED, outcome=Outcome.REFUSED, again_s=FULL_THERE_S)),
    ("cancelled", Refusal(code="cancelled_there", state=DownloadState.REFUSED, outcome=Outcome.REFUSED)),
    ("shutdown", Refusal(code="went_away", state=DownloadState.INTERRUPTED, outcome=Outcome.WENT_AWAY, again_s=60.0)),
    ("logged off", Refusal(code="went_away", state=DownloadState.INTERRUPTED, outcome=Outcome.WENT_AWAY, again_s=60.0)),
    ("read error", Refusal(code="unreadable_there", state=DownloadState.INTERRUPTED, outcome=Outcome.BROKEN, again_s=60.0)),
    ("file error", Refusal(code="unreadable_there", state=DownloadState.INTERRUPTED, outcome=Outcome.BROKEN, again_s=60.0)),
)  # fmt: skip
_ANY_REFUSAL: Final = Refusal(code="refused_there", state=DownloadState.REFUSED, outcome=Outcome.REFUSED)


def refusal_of(words: str) -> Refusal:
    """What a sharer's reason means."""
    said = words.casefold()
    return next((meant for marker, meant in _REFUSALS if marker in said), _ANY_REFUSAL)


OUTCOMES: Final = {
    "banned_there": Outcome.BANNED,
    "not_shared": Outcome.NOT_SHARED,
    "refused_there": Outcome.REFUSED,
    "cancelled_there": Outcome.REFUSED,
    "full_there": Outcome.TIMED_OUT,
    "queue_timeout": Outcome.TIMED_OUT,
    "quicker_elsewhere": Outcome.TIMED_OUT,
    "no_answer": Outcome.TIMED_OUT,
    "went_away": Outcome.WENT_AWAY,
    "broke_off": Outcome.WENT_AWAY,
    "unreadable_there": Outcome.WENT_AWAY,
    "size_differs": Outcome.BROKEN,
    "empty_file": Outcome.BROKEN,
}


def outcome_of(state: DownloadState, code: str) -> Outcome | None:
    """What an end says of the source. None: nothing (we cancelled, our disk was full, the mesh was quicker)."""
    match state:
        case DownloadState.SUCCEEDED:
            return Outcome.SUCCEEDED
        case DownloadState.REJECTED:
            return OUTCOMES.get(code, Outcome.WRONG_RECORDING if code == "wrong_recording" else Outcome.BROKEN)
        case DownloadState.REFUSED | DownloadState.TIMED_OUT | DownloadState.ABORTED:
            return OUTCOMES.get(code, Outcome.REFUSED if state is DownloadState.REFUSED else Outcome.WENT_AWAY)
        case _:
            return None


@dataclass(slots=True, kw_only=True)
class StreamCore:
    """One download. Told what happens, it says where it stands; `due` says that it shall be asked (again) now. Mutable: told four times a second."""

    rules: StreamRules
    state: DownloadState = DownloadState.WAITING
    code: str = ""
    params: dict[str, Param] = field(default_factory=dict)
    attempts: int = 0
    """breaks since it last went well"""
    next_try: float | None = None
    asked_since: float | None = None
    """of this ask; None while nothing is asked"""
    queued_since: float | None = None
    """when it first waited at the sharer, over all asks until bytes came"""
    nearer_since: float | None = None
    """when its place there last became a better one, likewise"""
    elsewhere: bool = False
    """somebody else has it, and a free slot: this sharer is not waited for longer than it takes to see that it won't come"""
    left: bool = False
    """it ended for that reason: whatever else waits at this sharer may go with it (`leave`)"""
    _good: int = 0
    _since_break: int = 0
    _dark_since: float | None = None

    @property
    def ended(self) -> bool:
        """It has come to an end."""
        return self.state in DOWNLOAD_ENDS

    @property
    def busy(self) -> bool:
        """It takes one of the places `at_once`."""
        return self.state in _BUSY

    @property
    def asked(self) -> bool:
        """The sharer is, or shall be, in the know."""
        return self.state in _BUSY or self.state is DownloadState.QUEUED

    def due(self, now: float) -> bool:
        """Its turn may come."""
        waits = self.state in {DownloadState.WAITING, DownloadState.INTERRUPTED}
        return waits and (self.next_try is None or now >= self.next_try)

    # ---- what happens

    def ask(self, now: float) -> None:
        """The sharer is asked now."""
        self._to(DownloadState.ASKED)
        self.asked_since, self.next_try = now, None

    def delivered(self, now: float) -> None:
        """The sharer has our request; silence from here on is its queue."""
        if self.state is DownloadState.ASKED:
            self._to(DownloadState.QUEUED)
        if self.queued_since is None:
            self.queued_since = self.nearer_since = now

    def nearer(self, now: float) -> None:
        """Our place in the sharer's queue became a better one."""
        if self.nearer_since is not None:
            self.nearer_since = now

    def undelivered(self, now: float) -> None:
        """The sharer lost it (it went offline, its client was started anew): it is asked again."""
        if self.state is DownloadState.QUEUED:
            self._to(DownloadState.ASKED)
            self.asked_since = now

    def called(self) -> None:
        """The sharer calls: its connection is awaited."""
        if self.asked:
            self._to(DownloadState.CONNECTING)

    def receiving(self) -> None:
        """The connection stands."""
        if self.asked:
            self._to(DownloadState.RECEIVING)

    def arrived(self, count: int) -> None:
        """New bytes are here."""
        self._good += count
        self._since_break += count
        self.queued_since = self.nearer_since = None

    def broke(
        self,
        now: float,
        code: str,
        *,
        pause_s: float | None = None,
        away: bool = False,
        mostly_here: bool = False,
        jitter: float = 1.0,
    ) -> None:
        """The stream or the ask ended without an end. `away`: the sharer is not online; it is left at once where somebody else has the file, unless it is
        `mostly_here`. `jitter` (about 1) spreads the pause."""
        if self.ended:
            return
        if self._since_break >= FRESH_BYTES:
            self.attempts = 0
        self._since_break = 0
        self.attempts += 1
        self.asked_since = None
        leaves = away and self.elsewhere and (not mostly_here or self.attempts >= AWAY_BREAKS)
        if leaves or self.attempts >= self.rules.attempts:
            self.left = leaves
            self.end(DownloadState.ABORTED, code, attempts=self.attempts)
            return
        first = self.rules.away_s if away else self.rules.pause_s
        if away and self.elsewhere:
            pause_s = min(self.rules.away_s, AWAY_GRACE_S)
        pause = pause_s if pause_s is not None else min(first * 2 ** (self.attempts - 1), MAX_PAUSE_S)
        self._to(DownloadState.INTERRUPTED, code)
        self.next_try = now + pause * jitter

    def refused(self, now: float, words: str, *, mostly_here: bool = False) -> None:
        """The sharer said no, in its words. `mostly_here`: see `broke`."""
        meant = refusal_of(words)
        said: dict[str, Param] = {"reason": words[:100]}
        if meant.state is DownloadState.INTERRUPTED:
            away = meant.code == "went_away"
            self.broke(now, meant.code, pause_s=meant.again_s, away=away, mostly_here=mostly_here)
            self.params = {**self.params, **said}
        elif meant.again_s is not None:
            if self.queued_since is None:
                self.queued_since = self.nearer_since = now
            self._to(DownloadState.INTERRUPTED, meant.code, said)
            self.asked_since, self.next_try = None, now + meant.again_s
        else:
            self.end(meant.state, meant.code, **said)

    def no_room(self, now: float, code: str) -> None:
        """Our disk takes no more: it waits, and is not asked for meanwhile. Nobody's fault, no attempt."""
        self._to(DownloadState.INTERRUPTED, code)
        self.asked_since, self.next_try = None, now + DISK_S

    def rest(self, code: str) -> None:
        """Nothing more is asked for, until somebody says otherwise (`put_back`): others bring what is left."""
        self._to(DownloadState.INTERRUPTED, code)
        self.asked_since, self.next_try = None, math.inf

    @property
    def away(self) -> bool:
        """It waits for a sharer that is not online."""
        return self.state is DownloadState.INTERRUPTED and self.code == "went_away"

    def returned(self, now: float) -> None:
        """Its sharer came online: the pause is over."""
        if self.away and self.next_try is not None:
            self.next_try = min(self.next_try, now + RETURN_S)

    def leave(self, state: DownloadState, code: str, **params: Param) -> bool:
        """Another file of this sharer was `left`: this one goes with it, so that whoever is next is asked for all of them at once. False: it stays."""
        waits = self.state in {DownloadState.WAITING, DownloadState.QUEUED, DownloadState.INTERRUPTED}
        if not waits or not self.elsewhere or self._good:
            return False
        self.end(state, code, **params)
        return True

    def put_back(self) -> None:
        """Our turn is over (a session ended, a person let it go on): it waits for one again."""
        self._to(DownloadState.WAITING)
        self.asked_since = self.next_try = None

    def pause(self) -> None:
        """A person wants it to rest."""
        self._to(DownloadState.PAUSED)
        self.asked_since = self.next_try = self.queued_since = self.nearer_since = None

    def whole(self) -> None:
        """Every byte is here."""
        self._to(DownloadState.WHOLE)

    def end(self, state: DownloadState, code: str = "", **params: Param) -> None:
        """It is over."""
        if state not in DOWNLOAD_ENDS:
            raise ValueError(state)
        if not self.ended:
            self._to(state, code, params)
            self.asked_since = self.next_try = None

    # ---- time

    def offline(self, now: float) -> None:
        """Our session ended: clocks stand still."""
        if self._dark_since is None:
            self._dark_since = now

    def online(self, now: float) -> None:
        """A session stands (again)."""
        if self._dark_since is None:
            return
        dark, self._dark_since = now - self._dark_since, None
        if self.asked_since is not None:
            self.asked_since += dark
        if self.queued_since is not None:
            self.queued_since += dark
        if self.nearer_since is not None:
            self.nearer_since += dark

    def tick(self, now: float, *, have: int) -> bool:
        """Time-outs; True when one struck. `have`: bytes that are here: whoever gave some is asked more than once."""
        if self._dark_since is not None or self.ended:
            return False
        if (
            self.state is DownloadState.ASKED
            and self.asked_since is not None
            and now - self.asked_since >= self.rules.answer_timeout_s
        ):
            if have > 0:
                self.broke(now, "no_answer")
            else:
                self.end(DownloadState.TIMED_OUT, "no_answer", waited_s=int(now - self.asked_since))
            return True
        waits = self.state in {DownloadState.QUEUED, DownloadState.ASKED, DownloadState.INTERRUPTED}
        if waits and self.queued_since is not None and now - self.queued_since >= self.rules.queue_timeout_s:
            self.end(DownloadState.TIMED_OUT, "queue_timeout", waited_s=int(now - self.queued_since))
            return True
        if (
            waits
            and self.elsewhere
            and have == 0
            and self.nearer_since is not None
            and now - self.nearer_since >= self.rules.queue_patience_s
        ):
            self.left = True
            self.end(DownloadState.TIMED_OUT, "quicker_elsewhere", waited_s=int(now - self.nearer_since))
            return True
        return False

    def _to(self, state: DownloadState, code: str = "", params: dict[str, Param] | None = None) -> None:
        self.state, self.code, self.params = state, code, dict(params or {})


_BUSY: Final = frozenset({DownloadState.ASKED, DownloadState.CONNECTING, DownloadState.RECEIVING})


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """A download in our queue, as `next_asked` sees it."""

    id: uuid.UUID
    user: str
    priority: int
    order: int
    state: DownloadState
    due: bool
    settled: bool = False
    """it has waited at the sharer for SETTLED_S"""

    @property
    def key(self) -> tuple[int, int, str]:
        """Its place: urgent first, then as people ordered them."""
        return (-self.priority, self.order, str(self.id))


def next_asked(line: Iterable[InLine], rules: StreamRules) -> tuple[uuid.UUID, ...]:
    """Whom to ask now, in order: at most `at_once` are asked, called or received at once, and `per_user` of one user.

    What waits in a sharer's queue takes no place here, and once that is a queue indeed (it has waited for SETTLED_S) up to AHEAD more of theirs are put
    behind it: a sharer serves one after the other, and to queue each file only after the last has come would be to queue anew for every track.
    """
    rows = sorted(line, key=lambda one: one.key)
    busy = [one for one in rows if one.state in _BUSY]
    free = rules.at_once - len(busy)
    taken: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for one in rows:
        if one.state in _BUSY or (one.state is DownloadState.QUEUED and not one.settled):
            taken[one.user] = taken.get(one.user, 0) + 1
        if one.state is DownloadState.QUEUED:
            waiting[one.user] = waiting.get(one.user, 0) + 1
    chosen: list[uuid.UUID] = []
    for one in rows:
        if free <= 0:
            break
        if not one.due or taken.get(one.user, 0) >= rules.per_user or waiting.get(one.user, 0) >= AHEAD:
            continue
        taken[one.user] = taken.get(one.user, 0) + 1
        free -= 1
        chosen.append(one.id)
    return tuple(chosen)


def may_begin(line: Iterable[InLine], caller: InLine, rules: StreamRules) -> bool:
    """May a sharer that calls begin? Not where `per_user` of its files come already: whoever calls with several at once gets no more than that. `at_once`
    does not count here: a place in somebody's queue that was waited for is not thrown away for it."""
    comes = {DownloadState.CONNECTING, DownloadState.RECEIVING}
    running = sum(1 for one in line if one.user == caller.user and one.id != caller.id and one.state in comes)
    return running < rules.per_user


def sizes_agree(told: int, said: int) -> bool:
    """May a file be what a search told of? `told` 0: nothing was told. Tags change between two scans; half or twice as much is another file."""
    return told <= 0 or told / 2 <= said <= told * 2


def in_order(line: Sequence[InLine]) -> tuple[InLine, ...]:
    """As they are asked."""
    return tuple(sorted(line, key=lambda one: one.key))

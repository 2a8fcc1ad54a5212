"""The supervisor: starts the platform's processes in order, restarts what falls, stops in order, and leaves nobody behind.

    start     valkey → prepare (checks, migrations, first user; runs to its end) → web, worker, beat, node, flower
    restart   exponential back-off with jitter; a child that has lived for a minute starts from the beginning again
    stop      SIGTERM or SIGINT: beat, web, flower → worker, node → valkey; a second signal kills what is left at once
    death     every child is on a leash (supervise_exec), so even `kill -9` of the supervisor leaves none behind

One thread decides everything; the only other threads copy the children's lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from apps.domain.errors import DomainError
from slskdn_site.logs import SupervisorLog
from slskdn_site.supervise_child import Child, ChildSpec

BACKOFF_FIRST_S = 0.5
BACKOFF_MOST_S = 30.0
BACKOFF_JITTER = 0.25  # share of the delay, either way: children that fell together do not rise together
LIVED_S = 60.0  # a child that lived this long has started well
START_DEATHS = 3  # a child that dies this often before it was ever ready stops the start
TICK_S = 0.25
READY_EVERY_S = 0.1


class StartFailed(DomainError):
    """A process did not come up, so the platform does not run."""

    default_code = "start_failed"


class StopAsked(Exception):
    """A signal arrived while something was still starting."""


def backoff_seconds(deaths: int, *, spread: float) -> float:
    """Delay before the restart after the `deaths`-th death in a row (from 1); `spread` in −1…1 is the jitter."""
    delay: float = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(deaths - 1, 16))
    return delay * (1 + BACKOFF_JITTER * spread)


class Supervisor:
    """Runs stages of children until a signal arrives. `clock` counts monotonic seconds."""

    def __init__(self, *, log: SupervisorLog, clock: Callable[[], float] = time.monotonic) -> None:
        self.children: list[Child] = []
        self._log = log
        self._clock = clock
        self._random = random.Random()  # noqa: S311  (jitter)
        self._signals = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.on_change: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take SIGTERM, SIGINT and SIGCHLD for the duration of the block."""

        def ask(_number: int, _frame: object) -> None:
            self._signals += 1

        def nothing(_number: int, _frame: object) -> None:
            """Only there so that the wake-up descriptor is written."""

        handlers = {signal.SIGTERM: ask, signal.SIGINT: ask, signal.SIGHUP: ask, signal.SIGCHLD: nothing}
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            del handlers[signal.SIGHUP]  # nohup
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        wake_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wake_before)
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start `specs` together and wait until each is ready.

        Raises StartFailed when one dies or hangs, StopAsked when a signal arrives.
        """
        new = [Child(spec, line=self._log.line) for spec in specs]
        for child in new:
            self.children.append(child)
            child.start(self._clock())
        began = self._clock()
        waiting = list(new)
        while waiting:
            self._tick(READY_EVERY_S)
            if self._signals:
                raise StopAsked
            for child in list(waiting):
                if child.running() and child.spec.ready():
                    child.was_ready = True
                    waiting.remove(child)
                    self._log.say(f"{child.spec.name} is ready after {self._clock() - began:.1f} s")
                elif self._clock() - began > child.spec.start_seconds:
                    sentence = f"{child.spec.name} was not ready after {child.spec.start_seconds:.0f} s."
                    raise StartFailed(sentence, process=child.spec.name)

    def run_to_end(self, spec: ChildSpec) -> int:
        """Run a child that is meant to end; its exit status. Raises StartFailed when it takes too long, StopAsked on a signal."""
        child = Child(spec, line=self._log.line)
        child.start(self._clock())
        deadline = self._clock() + spec.start_seconds
        try:
            while (status := child.exited()) is None:
                self._tick(TICK_S)
                if self._signals:
                    raise StopAsked
                if self._clock() > deadline:
                    sentence = f"{spec.name} did not finish within {spec.start_seconds:.0f} s."
                    raise StartFailed(sentence, process=spec.name)
            return status
        finally:
            child.kill()
            child.exited()

    def wait_for(self, check: Callable[[], bool], *, seconds: float) -> bool:
        """Ask `check` until it says True (True) or `seconds` have passed (False). Raises StopAsked on a signal."""
        deadline = self._clock() + seconds
        while not check():
            if self._clock() > deadline:
                return False
            self._tick(TICK_S)
            if self._signals:
                raise StopAsked
        return True

    def run(self) -> None:
        """Keep the children running until a signal arrives."""
        while not self._signals:
            self._tick(TICK_S)

    def stop(self) -> None:
        """Stop all children, lowest stage first; a further signal hurries."""
        for stage in sorted({child.spec.stop_stage for child in self.children}):
            group = [child for child in self.children if child.spec.stop_stage == stage and child.running()]
            began = self._clock()
            for child in group:
                child.ask_to_stop()
            while any(child.running() for child in group):
                for child in group:
                    late = self._clock() - began > child.spec.stop_seconds
                    if child.running() and (late or self._signals > 1):
                        self._log.say(
                            f"{child.spec.name} did not stop in time and is killed"
                            if late
                            else f"{child.spec.name} is killed"
                        )
                        child.kill()
                self._wait(TICK_S)
        self.children.clear()

    def pids(self) -> dict[str, int]:
        """Process ids of the running children by name."""
        return {c.spec.name: c.process.pid for c in self.children if c.process is not None and c.running()}

    def _tick(self, seconds: float) -> None:
        self._wait(seconds)
        now = self._clock()
        for child in self.children:
            status = child.exited()
            if status is None:
                continue
            if child.restart_at is None:
                self._fell(child, status, now)
            elif now >= child.restart_at and not self._signals:
                self._start_again(child, now)

    def _start_again(self, child: Child, now: float) -> None:
        """A machine without memory, processes or room on its disk must not take the children down that still run."""
        try:
            child.start(now)
        except OSError as error:  # as good as a child that died at once: the next look says so and waits longer
            self._log.say(f"{child.spec.name} could not be started ({error})")
            return
        self._log.say(f"{child.spec.name} was started again (process {child.process.pid if child.process else 0})")
        try:
            self.on_change()
        except OSError as error:
            self._log.say(f"what runs could not be written down ({error})")

    def _fell(self, child: Child, status: int, now: float) -> None:
        child.deaths_in_a_row = 1 if now - child.started_at > LIVED_S else child.deaths_in_a_row + 1
        if not child.was_ready and child.deaths_in_a_row >= START_DEATHS and not self._signals:
            tail = "\n".join(f"  {line}" for line in child.last_lines)
            sentence = f"{child.spec.name} does not start ({exit_text(status)}). Its last lines:\n{tail}"
            raise StartFailed(sentence, process=child.spec.name)
        delay = backoff_seconds(child.deaths_in_a_row, spread=self._random.uniform(-1, 1))
        child.restart_at = now + delay
        self._log.say(f"{child.spec.name} ended ({exit_text(status)}), starting it again in {delay:.1f} s")

    def _wait(self, seconds: float) -> None:
        readable, _, _ = select.select([self._wake_read], [], [], seconds)
        if readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)


def exit_text(status: int) -> str:
    """How a process ended, for people: `status 3`, `SIGKILL`."""
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"status {status}"


def ready_write(path: Path, facts: dict[str, object]) -> None:
    """Write the machine-readable ready line: complete or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)

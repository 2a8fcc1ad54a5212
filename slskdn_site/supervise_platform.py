"""The platform as the supervisor runs it: which children, in which stages, and what a person and other programs are told."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence

from slskdn_site.broker import redis_answers, valkey_answers, valkey_command, valkey_socket
from slskdn_site.config import Config, data_dir, load_config
from slskdn_site.data_folder import data_folder_prepare
from slskdn_site.logs import SupervisorLog
from slskdn_site.processes import (
    FLOWER_USER,
    flower_answers,
    node_answers,
    process_command,
    process_environment,
    ready_file,
    web_answers,
    web_listen,
)
from slskdn_site.secret_files import secret_path
from slskdn_site.supervise import StartFailed, StopAsked, Supervisor, ready_write
from slskdn_site.supervise_child import ChildSpec
from slskdn_site.supervise_lock import supervisor_lock

READY_VERSION = 1
BROKER_WAIT_S = 60.0  # for a configured Redis that is still coming up
PREPARE_SECONDS = 1800.0  # a migration of a large library takes its time


def platform_run(*, with_flower: bool, without: Sequence[str] = (), quiet: bool = False) -> int:
    """Run the platform until it is told to stop; the exit status. Raises DomainError when it cannot start.

    `without` names processes that somebody else runs (a debugger, say). `quiet`: the children's lines go to the file only.
    """
    config = load_config()
    folder = data_dir()
    data_folder_prepare(folder)
    with contextlib.ExitStack() as stack:
        stack.enter_context(supervisor_lock(folder))
        log = SupervisorLog(folder / "run" / "slskdn.log", to_stdout=not quiet)
        stack.callback(log.close)
        ready_json = folder / "run" / "ready.json"
        ready_json.unlink(missing_ok=True)
        supervisor = Supervisor(log=log)
        stack.enter_context(supervisor.signals())
        listener = None if "web" in without else stack.enter_context(web_listen(config.web.host, config.web.port))
        log.say(f"starting on {folder} (process {os.getpid()})")
        try:
            with _stopping(supervisor, log):
                _start(supervisor, config=config, listener=listener, with_flower=with_flower, without=without)
                facts = _facts(config, listener, with_flower=with_flower)
                supervisor.on_change = lambda: ready_write(ready_json, {**facts, "pids": supervisor.pids()})
                supervisor.on_change()
                _announce(log, facts, config=config, with_flower=with_flower)
                supervisor.run()
        except StopAsked:
            pass
        finally:
            ready_json.unlink(missing_ok=True)
        log.say("stopped")
    return 0


@contextlib.contextmanager
def _stopping(supervisor: Supervisor, log: SupervisorLog) -> Iterator[None]:
    try:
        yield
    finally:
        log.say("stopping")
        supervisor.stop()


def _start(
    supervisor: Supervisor, *, config: Config, listener: socket.socket | None, with_flower: bool, without: Sequence[str]
) -> None:
    if config.redis.url:
        if not supervisor.wait_for(lambda: redis_answers(config.redis.url), seconds=BROKER_WAIT_S):
            sentence = "The Redis of redis.url does not answer."
            raise StartFailed(sentence, process="redis")
    else:
        supervisor.start([_valkey_spec()])
    status = supervisor.run_to_end(
        ChildSpec(
            name="prepare",
            argv=[sys.executable, "-m", "slskdn_site.cli", "prepare"],
            ready=lambda: True,
            stop_stage=0,
            stop_seconds=5,
            start_seconds=PREPARE_SECONDS,
            env=process_environment("prepare"),
        )
    )
    if status != 0:
        sentence = "The database could not be prepared; the lines above say why."
        raise StartFailed(sentence, process="prepare")
    supervisor.start([spec for spec in _specs(config, listener, with_flower=with_flower) if spec.name not in without])


def _valkey_spec() -> ChildSpec:
    unix_socket = valkey_socket()
    return ChildSpec(
        name="valkey",
        argv=valkey_command(unix_socket, data_dir() / "run" / "valkey"),
        ready=lambda: valkey_answers(unix_socket),
        stop_stage=2,
        stop_seconds=10,
    )


def _specs(config: Config, listener: socket.socket | None, *, with_flower: bool) -> Iterator[ChildSpec]:
    for name in ("worker", "beat"):
        ready_file(name).unlink(missing_ok=True)
    if listener is not None:
        host, port = listener.getsockname()[:2]
        yield ChildSpec(
            name="web",
            argv=process_command("web", config=config, web_descriptor=listener.fileno()),
            ready=lambda: web_answers(host, port),
            stop_stage=0,
            stop_seconds=8,
            env=process_environment("web"),
            keep_fds=(listener.fileno(),),
        )
    yield ChildSpec(
        name="worker",
        argv=process_command("worker", config=config),
        ready=ready_file("worker").exists,
        stop_stage=1,
        stop_seconds=25,
        env=process_environment("worker"),
    )
    yield ChildSpec(
        name="beat",
        argv=process_command("beat", config=config),
        ready=ready_file("beat").exists,
        stop_stage=0,
        stop_seconds=8,
        env=process_environment("beat"),
    )
    yield ChildSpec(
        name="node",
        argv=process_command("node", config=config),
        ready=node_answers,
        stop_stage=1,
        stop_seconds=20,
        env=process_environment("node"),
    )
    if with_flower:
        yield ChildSpec(
            name="flower",
            argv=process_command("flower", config=config),
            ready=lambda: flower_answers(config.flower.port),
            stop_stage=0,
            stop_seconds=5,
            env=process_environment("flower"),
        )


def _facts(config: Config, listener: socket.socket | None, *, with_flower: bool) -> dict[str, object]:
    facts: dict[str, object] = {
        "version": READY_VERSION,
        "pid": os.getpid(),
        "data": str(data_dir()),
        "user": "admin",
        "password_file": str(secret_path("admin_password")),
    }
    if listener is not None:
        host, port = listener.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        facts |= {"url": f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/", "host": host, "port": port}
    if with_flower:
        facts["flower_url"] = f"http://127.0.0.1:{config.flower.port}/"
    return facts


def _announce(log: SupervisorLog, facts: dict[str, object], *, config: Config, with_flower: bool) -> None:
    lines = ["", "slskdn is ready"]
    if "url" in facts:
        lines.append(f"  pages     {facts['url']}")
    lines += [f"  user      {facts['user']}", f"  password  in {facts['password_file']}"]
    if with_flower:
        lines.append(
            f"  flower    {facts['flower_url']} (user {FLOWER_USER}, password in {secret_path('flower_password')})"
        )
    lines += [f"  data      {facts['data']}", f"  mode      {config.mode}", "  stop      Ctrl-C", ""]
    log.tell("\n".join(lines))

"""Webhooks against real receivers on loopback: one that takes, one that fails and then takes, one that hangs, one that is not there, one that redirects."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.domain.jobs.webhooks import MAX_TRIES, DeliveryState
from apps.jobs.models import Job, JobTrack
from apps.jobs.models_webhooks import Webhook, WebhookDelivery
from apps.jobs.services_webhooks import (
    WebhookMade,
    deliveries_expire,
    deliveries_forget,
    delivery_again,
    hooks_waiting,
    job_event,
    job_events,
    webhook_add,
    webhook_change,
    webhook_remove,
    webhook_secret_renew,
    webhook_test,
)
from tests.prepared import prepared_copy
from workers.gateways.webhook import post
from workers.webhooks import deliver

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Taken:
    """A request that reached the receiver."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, object]:
        read = json.loads(self.body)
        assert isinstance(read, dict)
        return read


@dataclass
class Receiver:
    """What the receiver got, and how it answers next: a status, or a function that deals with the request itself."""

    url: str = ""
    got: list[Taken] = field(default_factory=list)
    answers: list[int | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append(Taken(self.path, dict(self.headers), body))
            answer = told.answers.pop(0) if told.answers else 200
            if not isinstance(answer, int):
                answer(self)
                return
            self.send_response(answer)
            if 300 <= answer < 400:
                self.send_header("Location", "/elsewhere")
            if answer == 503:
                self.send_header("Retry-After", "120")
            self.end_headers()
            self.wfile.write(b"thanks <b>" + b"x" * 5000)

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield told
    told.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def run(hook: WebhookMade, *, timeout_s: float = 5.0, allow_private: bool = True) -> int:
    send = functools.partial(post, timeout_s=timeout_s, allow_private=allow_private)
    return deliver(hook.id, post=send, monotonic=time.monotonic, now_s=time.time, version="0")


def time_passes(hook: WebhookMade) -> None:
    """Pauses and leases are over."""
    past = timezone.now() - timedelta(seconds=5)
    WebhookDelivery.objects.filter(hook_id=hook.id, next_step_at__isnull=False).update(next_step_at=past)
    Webhook.objects.filter(id=hook.id).update(next_step_at=None, lease_until=None)


def make_job(**given: object) -> Job:
    return Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4(), title="Geogaddi", artist="BoC", **given)


def tell(job: Job, *names: str) -> None:
    for name in names:
        with transaction.atomic():
            job_event(job.id, name)


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("id").values_list("state", flat=True))


def test_an_event_reaches_the_receiver_signed_with_the_secret_that_was_shown(receiver: Receiver) -> None:
    hook = webhook_add(f"{receiver.url}/hook?a=b")
    job = make_job(state=JobState.COMPLETED)
    tell(job, "job.completed")
    assert run(hook) == 1
    (got,) = receiver.got
    assert got.path == "/hook?a=b"
    assert got.told["event"] == got.headers["Slskdn-Event"] == "job.completed"
    assert got.told["event_id"] == got.headers["Slskdn-Event-Id"]
    told = got.told["job"]
    assert isinstance(told, dict)
    assert (told["id"], told["state"], told["title"]) == (str(job.id), "completed", "Geogaddi")
    signed = hmac.new(
        hook.secret.encode(), got.headers["Slskdn-Timestamp"].encode() + b"." + got.body, hashlib.sha256
    ).hexdigest()
    assert got.headers["Slskdn-Signature"] == f"v1={signed}"
    row = WebhookDelivery.objects.get()
    assert (row.state, row.tries, row.status, row.code) == ("delivered", 1, 200, "")
    assert row.answer.startswith("thanks")
    assert len(row.answer) <= 301
    assert [entry["status"] for entry in row.history] == [200]
    assert run(hook) == 0


def test_no_row_holds_the_secret_and_a_renewed_one_signs_from_then_on(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    assert hook.secret.startswith("whsec_")
    assert hook.secret not in str(Webhook.objects.values().get())
    fresh = webhook_secret_renew(hook.id)
    assert fresh.secret != hook.secret
    tell(make_job(), "job.created")
    run(hook)
    (got,) = receiver.got
    stamp = got.headers["Slskdn-Timestamp"].encode()
    signed = hmac.new(fresh.secret.encode(), stamp + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["Slskdn-Signature"] == f"v1={signed}"


def test_500_and_then_200_is_one_delivery_of_two_tries_with_one_event_id_and_the_same_body(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    receiver.answers = [500]
    assert run(hook) == 1
    row = WebhookDelivery.objects.get()
    assert (row.state, row.code, row.params, row.tries) == ("waiting", "webhook_answered", {"status": 500}, 1)
    assert row.next_step_at is not None
    assert row.next_step_at > timezone.now()
    assert run(hook) == 0  # not due yet
    time_passes(hook)
    assert run(hook) == 1
    assert states() == ["delivered"]
    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["Slskdn-Event-Id"] == second.headers["Slskdn-Event-Id"]
    assert (first.headers["Slskdn-Try"], second.headers["Slskdn-Try"]) == ("1", "2")


def test_events_of_one_job_keep_their_order_while_another_job_goes_on(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    one, other = make_job(), make_job()
    tell(one, "job.created", "job.resolved", "job.failed")
    tell(other, "job.created")
    receiver.answers = [500]
    run(hook)
    assert [got.told["event"] for got in receiver.got] == ["job.created", "job.created"]
    time_passes(hook)
    run(hook)
    of_one = [got.told["event"] for got in receiver.got if got.told["job"]["id"] == str(one.id)]  # type: ignore[index]
    assert of_one == ["job.created", "job.created", "job.resolved", "job.failed"]


def test_a_receiver_that_never_takes_it_is_given_up_after_a_number_of_tries_and_the_next_event_has_its_turn(
    receiver: Receiver,
) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created", "job.resolved")
    receiver.answers = [418] * MAX_TRIES
    for _ in range(MAX_TRIES):
        time_passes(hook)
        run(hook)
    assert states() == ["dead", "delivered"]
    row = WebhookDelivery.objects.earliest("id")
    assert (row.tries, row.status, row.next_step_at) == (MAX_TRIES, 418, None)
    assert len(row.history) == MAX_TRIES


def test_a_receiver_that_hangs_costs_its_time_out_and_the_hook_rests(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    for _ in range(3):
        tell(make_job(), "job.created")
    receiver.answers = [lambda _handler: bool(receiver.released.wait(30))]  # type: ignore[list-item]
    began = time.monotonic()
    assert run(hook, timeout_s=0.4) == 1
    assert time.monotonic() - began < 10
    row = Webhook.objects.get()
    assert (row.failures, row.code) == (1, "webhook_timeout")
    assert row.next_step_at is not None
    assert hooks_waiting() == []
    assert run(hook) == 0
    time_passes(hook)
    assert run(hook) == 3
    row.refresh_from_db()
    assert (row.failures, row.code) == (0, "")


def test_a_receiver_that_trickles_its_answer_is_cut_off_at_the_time_out(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while not receiver.released.wait(0.05):
                handler.wfile.write(b"X-Slow: 1\r\n")
        except OSError:
            return

    receiver.answers = [trickle]
    began = time.monotonic()
    run(hook, timeout_s=0.5)
    assert time.monotonic() - began < 10
    assert WebhookDelivery.objects.get().code == "webhook_timeout"


def test_nobody_there_a_redirect_and_garbage_are_told_apart(receiver: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = webhook_add(f"http://127.0.0.1:{free.getsockname()[1]}/")
    webhook_test(nobody.id)
    run(nobody)
    assert WebhookDelivery.objects.get(hook_id=nobody.id).code == "webhook_unreachable"
    hook = webhook_add(receiver.url)

    def garbage(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    receiver.answers = [302, garbage]
    tell(make_job(), "job.created")
    tell(make_job(), "job.created")
    run(hook)
    codes = WebhookDelivery.objects.filter(hook_id=hook.id).order_by("id").values_list("code", flat=True)
    assert list(codes) == ["webhook_redirected", "webhook_garbled"]
    assert [got.path for got in receiver.got] == ["/", "/"]  # nobody asked for /elsewhere


def test_a_busy_receiver_is_left_alone_for_as_long_as_it_asks(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    receiver.answers = [503]
    run(hook)
    row = Webhook.objects.get()
    assert row.next_step_at is not None
    assert row.next_step_at > timezone.now() + timedelta(seconds=100)


def test_private_addresses_are_refused_where_the_configuration_says_so(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    run(hook, allow_private=False)
    assert WebhookDelivery.objects.get().code == "webhook_address_refused"
    assert receiver.got == []


def test_a_plain_receiver_behind_an_https_address_is_no_tls(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url.replace("http://", "https://"))
    tell(make_job(), "job.created")
    run(hook)
    assert WebhookDelivery.objects.get().code == "webhook_tls"


def test_a_hook_hears_only_what_it_asked_for_and_nothing_that_was_rolled_back(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url, events=["track.completed", "job.failed"])
    job = make_job()
    track = JobTrack.objects.create(
        job=job, position=3, title="Gyroscope", recording_mbid=uuid.uuid4(), state=TrackState.COMPLETED
    )
    with transaction.atomic():
        job_event(job.id, "job.created")
        job_event(job.id, "track.completed", track_id=track.id)
    with pytest.raises(RuntimeError), transaction.atomic():
        job_event(job.id, "job.failed")
        raise RuntimeError
    run(hook)
    (got,) = receiver.got
    told = got.told["track"]
    assert isinstance(told, dict)
    assert (got.told["event"], told["title"], told["position"]) == ("track.completed", "Gyroscope", 3)


def test_many_jobs_are_told_in_few_queries(
    receiver: Receiver, django_assert_max_num_queries: Callable[..., object]
) -> None:
    jobs = [make_job() for _ in range(150)]
    with django_assert_max_num_queries(1):  # type: ignore[attr-defined]
        job_events([job.id for job in jobs], "job.created")
    webhook_add(receiver.url)
    with django_assert_max_num_queries(8), transaction.atomic():  # type: ignore[attr-defined]  # SQLite takes 999 values at a time
        job_events([job.id for job in jobs], "job.created")
    assert WebhookDelivery.objects.count() == 150


def test_a_hook_that_is_off_is_told_nothing_but_tests(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    webhook_change(hook.id, enabled=False)
    tell(make_job(), "job.created")
    assert run(hook) == 0
    webhook_test(hook.id)
    assert run(hook) == 1
    assert [got.told["event"] for got in receiver.got] == ["test"]
    webhook_change(hook.id, enabled=True)
    assert run(hook) == 1
    assert states() == ["delivered", "delivered"]


def test_an_event_is_sent_again_by_hand_under_its_own_id(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    run(hook)
    first = WebhookDelivery.objects.get()
    again = delivery_again(first.id)
    assert again != first.id
    run(hook)
    one, two = receiver.got
    assert one.headers["Slskdn-Event-Id"] == two.headers["Slskdn-Event-Id"]
    assert one.body == two.body
    with pytest.raises(DomainError) as unknown:
        delivery_again(12345)
    assert unknown.value.code == "webhook_delivery_unknown"


def test_one_that_waits_is_brought_forward(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    receiver.answers = [500]
    run(hook)
    waiting = WebhookDelivery.objects.get()
    assert delivery_again(waiting.id) == waiting.id
    assert run(hook) == 1
    assert states() == ["delivered"]


def test_of_two_workers_one_delivers(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    inner: list[int] = []

    def meanwhile(handler: BaseHTTPRequestHandler) -> None:
        receiver.released.wait(30)
        handler.send_response(200)
        handler.end_headers()

    receiver.answers = [meanwhile]
    first = threading.Thread(target=lambda: inner.append(run(hook)))
    first.start()
    while not receiver.got:
        first.join(0.01)
    assert run(hook) == 0
    receiver.released.set()
    first.join()
    assert inner == [1]
    assert len(receiver.got) == 1


def test_a_hook_removed_while_it_is_told_takes_its_log_along(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created", "job.resolved")

    def remove(handler: BaseHTTPRequestHandler) -> None:
        from django.db import connections

        webhook_remove(hook.id)
        connections.close_all()
        handler.send_response(200)
        handler.end_headers()

    receiver.answers = [remove]
    assert run(hook) == 1
    assert WebhookDelivery.objects.count() == 0
    with pytest.raises(DomainError) as unknown:
        webhook_remove(hook.id)
    assert unknown.value.code == "webhook_unknown"


def test_what_waited_for_days_is_given_up_and_old_lines_of_the_log_go(receiver: Receiver) -> None:
    hook = webhook_add(receiver.url)
    tell(make_job(), "job.created")
    tell(make_job(), "job.created")
    first = WebhookDelivery.objects.earliest("id")
    WebhookDelivery.objects.filter(id=first.id).update(created_at=timezone.now() - timedelta(days=4))
    assert deliveries_expire() == 1
    first.refresh_from_db()
    assert (first.state, first.code) == (DeliveryState.DEAD, "webhook_too_old")
    run(hook)
    assert deliveries_forget(ended_before=timezone.now() - timedelta(days=1)) == 0
    assert deliveries_forget(ended_before=timezone.now() + timedelta(days=1)) == 2


KILLED = """
import functools, sys, time, uuid
import django
django.setup()
from workers.gateways.webhook import post
from workers.webhooks import deliver
deliver(uuid.UUID(sys.argv[1]), post=functools.partial(post, timeout_s=30, allow_private=True), monotonic=time.monotonic, now_s=time.time, version="0")
"""
PREPARE = """
import sys, uuid
import django
django.setup()
from apps.jobs.models import Job
from apps.jobs.services_webhooks import job_event, webhook_add
hook = webhook_add(sys.argv[1])
job = Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4())
for name in ("job.created", "job.resolved"):
    job_event(job.id, name)
print(hook.id, flush=True)
"""


@pytest.mark.e2e
def test_a_worker_killed_between_the_answer_and_its_row_leaves_the_event_to_be_sent_again_under_its_id(
    receiver: Receiver, data_folder: Path
) -> None:
    project = Path(__file__).resolve().parents[2]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SLSKDN")},
        "SLSKDN_DATA": str(data_folder),
        "DJANGO_SETTINGS_MODULE": "slskdn_site.settings",
        "PYTHONPATH": str(project),
    }

    def python(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", *argv], env=environment, cwd=project, capture_output=True, text=True, check=False, timeout=120
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()

    prepared_copy(data_folder)
    hook = python(PREPARE, receiver.url).split()[-1]
    receiver.answers = [lambda _handler: bool(receiver.released.wait(60))]  # type: ignore[list-item]
    process = subprocess.Popen([sys.executable, "-c", KILLED, hook], env=environment, cwd=project)
    while not receiver.got:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    over = "from django.utils import timezone; from apps.jobs.models_webhooks import Webhook; "
    python(
        f"import django; django.setup(); {over} Webhook.objects.update(lease_until=timezone.now() - timezone.timedelta(seconds=5))"
    )
    python(KILLED, hook)
    events = [(got.told["event"], got.headers["Slskdn-Event-Id"]) for got in receiver.got]
    assert [name for name, _key in events] == ["job.created", "job.created", "job.resolved"]
    assert events[0][1] == events[1][1] != events[2][1]
    told = "import django; django.setup(); from apps.jobs.models_webhooks import WebhookDelivery as D; print(list(D.objects.order_by('id').values_list('state', 'tries')))"
    assert python(told) == "[('delivered', 1), ('delivered', 1)]"

"""Several workers, and workers that die: a message is sent by one at a time, and arrives whatever becomes of it."""

import os
import signal
import subprocess
import sys
import threading

from django.db import connection

from billing.alerting import delivering, outbox
from billing.alerting.outbox import LEASE, claim
from billing.models import AlertChannel
from tenants.scoping import tenant_scope
from tests.billing.alerting.conftest import NOON, Desk, environment
from tests.live import ROOT, wait_until
from tests.webhooks import Receiver

WORKER = """
import django, sys
django.setup()
from datetime import datetime
from billing.alerting.delivering import deliver_alerts
print(deliver_alerts(clock=lambda: datetime.fromisoformat(sys.argv[1])), flush=True)
"""


def test_two_workers_at_once_send_each_message_once(committed_desk: Desk, receiver: Receiver) -> None:
    for number in range(8):
        committed_desk.channel(address=receiver.url, name=f"channel {number}")
    for number in range(4):
        committed_desk.raised(f"provider-{number}")
    committed_desk.route()
    sent: list[int] = []

    def work() -> None:
        try:
            sent.append(delivering.deliver_messages(clock=committed_desk.clock))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    committed_desk.deliver()
    ids = [headers["webhook-id"] for headers, _ in receiver.asked]
    assert (len(ids), len(set(ids))) == (32, 32)
    assert {message.state for message in committed_desk.messages()} == {"sent"}


def test_a_message_that_is_taken_is_taken_by_one(committed_desk: Desk) -> None:
    committed_desk.channel()
    committed_desk.raised()
    committed_desk.route()
    taken: list[int] = []
    together = threading.Barrier(4)

    def take() -> None:
        try:
            together.wait(10)
            mine = [one for one in claim(most=16, now=NOON) if one.tenant_id == committed_desk.tenant.pk]
            taken.append(len(mine))
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(taken) == [0, 0, 0, 1]


def test_after_kill_nine_in_mid_delivery_it_arrives_again_under_the_same_id_and_is_booked_once(committed_desk: Desk, receiver: Receiver) -> None:
    committed_desk.channel(address=receiver.url)
    committed_desk.raised()
    receiver.gate = threading.Event()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, committed_desk.clock().isoformat()], cwd=ROOT, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_until(lambda: len(receiver.asked) == 1, seconds=60)
        os.kill(worker.pid, signal.SIGKILL)
    finally:
        worker.kill()
        worker.wait()
    (message,) = committed_desk.messages()
    assert (message.state, message.attempts) == ("waiting", 0)
    receiver.gate.set()
    committed_desk.deliver()
    assert len(receiver.asked) == 1, "the lease of the dead one still holds"
    committed_desk.clock.tick(seconds=LEASE.total_seconds() + 1)
    assert committed_desk.deliver() == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.asked}) == 1
    (message,) = committed_desk.messages()
    assert (message.state, message.attempts, len(receiver.asked)) == ("sent", 1, 2)


def test_a_worker_that_comes_back_after_its_lease_writes_its_try_and_changes_nothing(desk: Desk, receiver: Receiver) -> None:
    desk.channel(address=receiver.url)
    desk.raised()
    desk.route()
    (mine,) = claim(most=1, now=desk.clock())
    desk.clock.tick(seconds=LEASE.total_seconds() + 1)
    assert desk.deliver() == 1
    with tenant_scope(desk.tenant.pk):
        outbox.record(mine, delivering.Outcome(is_ok=False, problem="no answer within 10 s"), now=desk.clock())
    (message,) = desk.messages()
    assert (message.state, message.attempts) == ("sent", 1)
    assert [one.is_ok for one in desk.deliveries()] == [True, False]


def test_a_channel_that_is_deleted_meanwhile_takes_its_messages_with_it(desk: Desk, receiver: Receiver) -> None:
    channel = desk.channel(address=receiver.url)
    desk.raised()
    desk.route()
    (mine,) = claim(most=1, now=desk.clock())
    with tenant_scope(desk.tenant.pk):
        AlertChannel.objects.get(pk=channel.pk).delete()
        outbox.record(mine, delivering.Outcome(is_ok=True), now=desk.clock())
    assert desk.messages() == desk.deliveries() == []

"""One tick of the sweep: marks are announced, alerts routed, and what is due is sent, by a few threads and within a bounded time.

Rows are read and written by the calling thread alone; the threads hold a parcel and no database connection.
"""

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from time import monotonic

from billing.alerting.marks import announce_marks
from billing.alerting.outbox import Claim, claim, record
from billing.alerting.raising import end_overdue
from billing.alerting.rendering import CannotSend, parcel_of
from billing.alerting.routing import route_alerts
from billing.alerting.sending import Outcome, send
from billing.models import AlertMessage
from tenants.models import Tenant
from tenants.scoping import tenant_scope

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
THREADS = 16
TAKES_S = 8.0
"""So long new messages are taken; those under way then are waited for, which is at most one try longer."""


def deliver_alerts(*, clock: Clock) -> int:
    """Do everything that is due for alerts, and return how many messages arrived. Any number of copies may run at once.

    A step that fails is logged and tried again at the next tick; the others are done all the same.
    """
    for step in (announce_marks, end_overdue, route_alerts):
        try:
            step(now=clock())
        except Exception:
            log.exception("alerts: %s failed", step.__name__)
    return deliver_messages(clock=clock)


def deliver_messages(*, clock: Clock) -> int:
    """Send what is due, and return how many messages arrived."""
    arrived, ends_at = 0, monotonic() + TAKES_S
    under_way: dict[Future[Outcome], Claim] = {}
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="alerts") as threads:
        while True:
            if monotonic() < ends_at and len(under_way) < THREADS:
                for taken in claim(most=THREADS - len(under_way), now=clock()):
                    _start(taken, threads, under_way, clock=clock)
            if not under_way:
                return arrived
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                arrived += _finish(under_way.pop(future), future, clock=clock)


def _start(taken: Claim, threads: ThreadPoolExecutor, under_way: dict[Future[Outcome], Claim], *, clock: Clock) -> None:
    try:
        with tenant_scope(taken.tenant_id):
            message = AlertMessage.objects.select_related("channel").filter(pk=taken.message_id).first()
            if message is None:  # its channel was deleted meanwhile
                return
            parcel = parcel_of(message, tenant=Tenant.objects.get(pk=taken.tenant_id), now=clock())
    except CannotSend as reason:
        _record(taken, Outcome(is_ok=False, problem=str(reason)), clock=clock, may_repeat=False)
    except Exception as fault:
        _record(taken, _our_fault(taken, fault), clock=clock)
    else:
        under_way[threads.submit(send, parcel)] = taken


def _finish(taken: Claim, future: Future[Outcome], *, clock: Clock) -> bool:
    try:
        outcome = future.result()
    except Exception as fault:
        outcome = _our_fault(taken, fault)
    _record(taken, outcome, clock=clock)
    return outcome.is_ok


def _record(taken: Claim, outcome: Outcome, *, clock: Clock, may_repeat: bool = True) -> None:
    with tenant_scope(taken.tenant_id):
        record(taken, outcome, now=clock(), may_repeat=may_repeat)


def _our_fault(taken: Claim, fault: Exception) -> Outcome:
    """Said without its text, which may hold an address."""
    log.error("alert message %s of %s could not be sent: %s", taken.message_id, taken.tenant_id, type(fault).__name__)
    return Outcome(is_ok=False, problem="it failed on our side")

"""Is the ledger whole? Asked by tasks, and told as alerts: to each tenant its own, to our staff all (STAFF_EMAILS)."""

import logging
from collections import defaultdict
from datetime import datetime
from uuid import UUID

from django.db import OperationalError

from billing.alerting import BrokenInvariant, LedgerBroken, end_alerts, raise_alert
from billing.engine.alerts.events import AlertKind
from billing.invariants import INVARIANTS, counts
from billing.models import Alert
from billing.signals import ledger_checked
from tenants.scoping import platform_scope, tenant_scope

log = logging.getLogger(__name__)
QUICK_S, WHOLE_S = 10.0, 120.0
SUBJECT = "ledger"


def watch_ledger(*, now: datetime, is_whole: bool) -> int:
    """Check the quick invariants, or all of them, and raise an alert for each tenant whose book breaks one. Returns how many do.

    An alert ends when a check finds all invariants kept that were broken. One that takes too long is logged, and says nothing either way.
    """
    asked = [invariant for invariant in INVARIANTS if is_whole or invariant.is_quick]
    broken: dict[UUID, list[BrokenInvariant]] = defaultdict(list)
    kept: set[str] = set()
    for invariant in asked:
        try:
            found = counts(invariant, patience_s=WHOLE_S if is_whole else QUICK_S)
        except OperationalError:
            log.warning("the ledger's invariant %s could not be checked in time", invariant.name)
            continue
        kept |= set() if found else {invariant.name}
        for tenant_id, rows in found.items():
            broken[tenant_id].append(BrokenInvariant(name=invariant.name, meaning=invariant.meaning, rows=rows))
    for tenant_id, invariants in broken.items():
        log.error("the ledger of tenant %s is broken: %s", tenant_id, ", ".join(one.name for one in invariants))
        with tenant_scope(tenant_id):
            raise_alert(event=LedgerBroken(seen_at=now, invariants=invariants), now=now)
    ledger_checked.send_robust(sender=None, broken=len(broken))
    _end_mended(kept, still_broken=set(broken), now=now)
    return len(broken)


def _end_mended(kept: set[str], *, still_broken: set[UUID], now: datetime) -> None:
    with platform_scope():
        open_ones = list(Alert.objects.filter(kind=AlertKind.LEDGER_BROKEN).exclude(state=Alert.State.RESOLVED))
    for alert in open_ones:
        event = alert.event
        if alert.tenant_id in still_broken or not isinstance(event, LedgerBroken) or not {one.name for one in event.invariants} <= kept:
            continue
        with tenant_scope(alert.tenant_id):
            end_alerts(kind=AlertKind.LEDGER_BROKEN, subject=SUBJECT, now=now)

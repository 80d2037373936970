"""The history of one demo, row by row: holds, entries, windows, marks and traces, so that every invariant of the ledger holds."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from msgspec import json

from billing.engine.money import to_usd
from billing.engine.pricing import Usage, cost_nusd
from billing.models import Budget, ModelPrice
from billing.pricebook import price_of
from cascade.samples.companies import MODELS, Company
from cascade.samples.traffic import BASELINE, THRESHOLD, Call, Step, calls_of, tier_of
from cascade.samples.windows import Window, Windows
from tenants.end_users import end_user_id
from tenants.models import ApiKey, EndUser, Tenant, Tier

PRESET, POLICY = "production_ready", "production_ready@1"
FILL = "SELECT billing_fill_demo(%s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb)"
RECORD = "SELECT count(*) FROM cascade_record_runs(%s::jsonb)"
Row = Mapping[str, Any]


class Book:
    """Gathered call by call, and written at once. All of it happens in the scope of the demo."""

    def __init__(self, company: Company, tenant: Tenant) -> None:
        self.company, self.tenant, self.zone = company, tenant, ZoneInfo(tenant.time_zone)
        tiers = {tier.name: tier for tier in Tier.objects.all()}
        self.users = [self._user(number, tiers) for number in range(company.users)]
        EndUser.objects.bulk_create(self.users)
        self.keys = {key.name: key.pk for key in ApiKey.objects.all()}
        self.windows = Windows(list(Budget.objects.filter(ended_at=None)), zone=tenant.time_zone)
        self.prices = {row.model: price_of(row) for row in ModelPrice.objects.filter(valid_to=None)}
        self.holds: list[Row] = []
        self.entries: list[Row] = []
        self.runs: list[Row] = []
        self.refused = 0

    def fill(self, *, first: date, now: datetime) -> None:
        for call in calls_of(self.company, zone=self.zone, first=first, now=now):
            self._add(call)

    def write(self) -> None:
        """Write all of it. Raises DatabaseError, with nothing written, unless the scope is an empty demo's."""
        windows = [self._told_window(window) for window in self.windows.rows.values()]
        marks = [
            {"place": window.place, "percent": percent, "spent_nusd": spent, "reached_at": at}
            for window, (percent, spent, at) in self.windows.all_marks()
        ]
        with connection.cursor() as cursor:
            cursor.execute(FILL, [json.encode(rows).decode() for rows in (windows, marks, self.holds, self.entries)])
            cursor.execute(RECORD, [json.encode(self.runs).decode()])

    def _user(self, number: int, tiers: Mapping[str, Tier]) -> EndUser:
        name = f"user_{1000 + number}"
        identity = end_user_id(salt=bytes(self.tenant.end_user_salt), external_id=name)
        return EndUser(id=identity, external_id=name, tier=tiers[tier_of(number)])

    def _add(self, call: Call) -> None:
        user, key = self.users[call.user], self.keys[call.key]
        windows = self.windows.binding(end_user=user.pk, name=user.external_id, tier=tier_of(call.user), key=key, tags=call.tags, at=call.at)
        for steps, status in ((call.steps, "failed" if call.failed else "served"), (call.steps[:1], "degraded")):
            costs = [self._cost(step) for step in steps] if status != "failed" else [0]
            short = [window for window in windows if not window.takes(sum(costs))]
            if not short:
                self._book(call, steps if status != "failed" else steps[:1], costs, windows, status=status)
                return
            if any(window.budget.action == "block" for window in short):
                break
        self.refused += 1

    def _cost(self, step: Step) -> int:
        return cost_nusd(usage=Usage(input_tokens=step.asked, output_tokens=step.said), price=self.prices[step.model])

    def _book(self, call: Call, steps: Sequence[Step], costs: Sequence[int], windows: Sequence[Window], *, status: str) -> None:
        at, total = call.at, sum(costs)
        identity = id_at(at)
        latency = sum(step.latency_ms for step in steps) + 4
        closed = at + timedelta(milliseconds=latency)
        user, key, tier, is_failed = self.users[call.user].pk, self.keys[call.key], tier_of(call.user), status == "failed"
        legs = [self._leg(step, cost) for step, cost in zip(steps, costs, strict=True)]
        for window in windows:
            window.spend(total, closed)
        self.holds.append({
            "id": identity, "state": "voided" if is_failed else "settled", "end_user_id": user, "api_key_id": key,
            "labels": {"tier": tier, "domain": call.domain, "preset": POLICY, "tags": call.tags}, "legs": legs, "sent": 2 ** len(steps) - 1,
            "places": [window.place for window in windows], "amount_nusd": sum(leg["amount"] for leg in legs), "actual_nusd": total,
            "created_at": at, "expires_at": at + timedelta(minutes=11), "closed_at": closed,
        })  # fmt: skip
        for leg, (step, cost) in enumerate(zip(steps, costs, strict=True)):
            self.entries.append({
                "reservation_id": identity, "kind": "voided" if is_failed else "settled", "leg": leg, "amount_nusd": cost, "step": step.name,
                "outcome": "failed" if is_failed else step.status, "provider": legs[leg]["provider"], "model": step.model,
                "price_version": legs[leg]["price_version"], "input_tokens": 0 if is_failed else step.asked,
                "output_tokens": 0 if is_failed else step.said, "is_unverified": is_failed, "provider_request_id": f"req_{identity.hex[-12:]}{leg}",
                "tier": tier, "domain": call.domain, "preset": POLICY, "tags": call.tags, "occurred_on": at.astimezone(self.zone).date(),
            })  # fmt: skip
        self.runs.append(self._run(call, identity, steps, costs, status=status, latency=latency))

    def _run(self, call: Call, identity: UUID, steps: Sequence[Step], costs: Sequence[int], *, status: str, latency: float) -> Row:
        served = None if status == "failed" else steps[-1]
        usage = Usage(input_tokens=served.asked, output_tokens=served.said) if served else None
        return {
            "id": identity, "tenant_id": self.tenant.pk, "status": status, "end_user_id": self.users[call.user].pk, "api_key_id": self.keys[call.key],
            "tier": tier_of(call.user), "preset": PRESET, "policy_version": POLICY, "arm": "cascade", "domain": call.domain,
            "domain_confidence": round(0.55 + (identity.int % 44) / 100, 2), "complexity": call.complexity,
            "model_used": served.model if served else "", "draft_accepted": steps[0].status == "accepted" if served else None,
            "score": served.score if served else None, "baseline_model": BASELINE if usage else "",
            "cost_nusd": sum(costs), "baseline_nusd": cost_nusd(usage=usage, price=self.prices[BASELINE]) if usage else None,
            "latency_ms": round(latency, 2), "error_code": "" if served else "provider_failed", "tags": call.tags, "started_at": call.at,
            "steps": [self._told(step, cost, is_failed=served is None) for step, cost in zip(steps, costs, strict=True)],
        }  # fmt: skip

    def _leg(self, step: Step, cost: int) -> dict[str, Any]:
        return {"step": step.name, "provider": MODELS[step.model][0], "model": step.model, "price_version": self.prices[step.model].version,
                "amount": max(cost * 8 // 5, 1)}  # fmt: skip

    def _told(self, step: Step, cost: int, *, is_failed: bool) -> Row:
        told = {"model": step.model, "provider": MODELS[step.model][0], "latency_ms": round(step.latency_ms, 2)}
        return {
            **told, "name": step.name, "kind": "answer", "status": "failed" if is_failed else step.status, "cost": to_usd(cost), "attempts": 1,
            "input_tokens": None if is_failed else step.asked, "output_tokens": None if is_failed else step.said,
            "score": None if is_failed else step.score, "threshold": THRESHOLD if step.score is not None and not is_failed else None,
            "reason": "the provider answered with an error" if is_failed else step.reason,
            "tries": [{**told, "outcome": "failed" if is_failed else "answered", "error_code": "provider_failed" if is_failed else None,
                       "booked": "voided" if is_failed else "settled"}],
        }  # fmt: skip

    @staticmethod
    def _told_window(window: Window) -> Row:
        return {
            "place": window.place, "budget_id": window.budget.pk, "subject": window.subject, "start_at": window.start_at,
            "end_at": window.end_at, "limit_nusd": window.budget.limit_nusd, "cap_nusd": window.cap, "spent_nusd": window.spent,
            "next_mark_nusd": window.next_mark,
        }  # fmt: skip


def id_at(at: datetime) -> UUID:
    """Return an id of version 7 as it would have been given at that time: 48 bits of milliseconds, the rest by chance."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0x2 << 62 | secrets.randbits(62))

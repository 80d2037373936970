"""What the cascade saved: runs beside their baseline, the one strong call that each would have been. Answers for the tenant of the scope."""

from datetime import datetime

from django.db.models import Count, F, Q, Sum
from msgspec import Struct

from cascade.models import CascadeRun

ROUTED = F("baseline_nusd") - F("cost_nusd") - F("saved_by_cache_nusd") - F("saved_by_price_nusd")

BASELINES = """(SELECT r.tenant_id, r.started_at AS at, r.api_key_id, r.end_user_id, r.tier, r.domain, r.policy_version AS preset, r.tags,
  r.baseline_model, r.baseline_nusd, r.cost_nusd FROM cascade_cascaderun r
 WHERE r.status IN ('served', 'degraded') AND r.baseline_nusd IS NOT NULL)"""
"""The runs of the statement, one by one, as files for finance read them."""


class Savings(Struct, frozen=True, kw_only=True):
    """Runs whose baseline is known, in nano-USD. Worked number: 3 USD instead of 10 are 70 % saved."""

    actual_nusd: int
    """What they came to, as they ended: corrections since are in the month's statement alone."""
    baseline_nusd: int
    by_cache_nusd: int = 0
    """Of what was saved, the part of caching beyond what the baseline would have cached."""
    by_price_nusd: int = 0
    """The part of prices of the tenant's own."""
    by_degrade_nusd: int = 0
    """The part of cheaper paths that budgets left."""
    runs: int
    runs_without_baseline: int
    """Runs that are in neither sum: no baseline was priced for them."""

    @property
    def saved_nusd(self) -> int:
        """Negative where the cascade cost more than it saved."""
        return self.baseline_nusd - self.actual_nusd

    @property
    def by_routing_nusd(self) -> int:
        """What no other part explains: cheaper models that were good enough, less what rejected drafts and checks cost."""
        return self.saved_nusd - self.by_cache_nusd - self.by_price_nusd - self.by_degrade_nusd

    @property
    def saved_percent(self) -> int:
        return 100 * self.saved_nusd // self.baseline_nusd if self.baseline_nusd else 0


def savings_statement(*, start_at: datetime, end_at: datetime) -> Savings:
    """Return baseline minus actual of the runs that began in `[start_at, end_at)` and were answered. Refused and shadow runs are in it nowhere.

    What was saved is split by where it comes from: routing, degrading, caching, prices of the tenant's own. The parts add up to the whole;
    each may be negative. Worked number: 10 USD of baseline, 3 USD spent, 0.50 USD by the cache and 1 USD by prices: 5.50 USD by routing.
    Savings are a statement beside the book, never an entry in it: a negative charge would have to be taken out of every sum again.
    """
    answered = CascadeRun.objects.filter(started_at__gte=start_at, started_at__lt=end_at, status__in=("served", "degraded"))
    known = Q(baseline_nusd__isnull=False)
    sums = answered.aggregate(
        actual=Sum("cost_nusd", filter=known), baseline=Sum("baseline_nusd"), runs=Count("id", filter=known), others=Count("id", filter=~known),
        cache=Sum("saved_by_cache_nusd", filter=known), price=Sum("saved_by_price_nusd", filter=known),
        degrade=Sum(ROUTED, filter=known & Q(status="degraded")),
    )  # fmt: skip
    return Savings(
        actual_nusd=int(sums["actual"] or 0), baseline_nusd=int(sums["baseline"] or 0), runs=sums["runs"], runs_without_baseline=sums["others"],
        by_cache_nusd=int(sums["cache"] or 0), by_price_nusd=int(sums["price"] or 0), by_degrade_nusd=int(sums["degrade"] or 0),
    )  # fmt: skip

"""What the cascade saved: runs beside their baseline, the one strong call that each would have been. Answers for the tenant of the scope."""

from datetime import datetime

from django.db.models import Count, Q, Sum
from msgspec import Struct

from cascade.models import CascadeRun


class Savings(Struct, frozen=True, kw_only=True):
    """Runs whose baseline is known, in nano-USD. Worked number: 3 USD instead of 10 are 70 % saved."""

    actual_nusd: int
    """What they came to, as they ended: corrections since are in the month's statement alone."""
    baseline_nusd: int
    runs: int
    runs_without_baseline: int
    """Runs that are in neither sum: no baseline was priced for them."""

    @property
    def saved_nusd(self) -> int:
        """Negative where the cascade cost more than it saved."""
        return self.baseline_nusd - self.actual_nusd

    @property
    def saved_percent(self) -> int:
        return 100 * self.saved_nusd // self.baseline_nusd if self.baseline_nusd else 0


def savings_statement(*, start_at: datetime, end_at: datetime) -> Savings:
    """Return baseline minus actual of the runs that began in `[start_at, end_at)` and were answered. Refused and shadow runs are in it nowhere.

    Savings are a statement beside the book, never an entry in it: a negative charge would have to be taken out of every sum again.
    """
    answered = CascadeRun.objects.filter(started_at__gte=start_at, started_at__lt=end_at, status__in=("served", "degraded"))
    known = Q(baseline_nusd__isnull=False)
    sums = answered.aggregate(
        actual=Sum("cost_nusd", filter=known), baseline=Sum("baseline_nusd"), runs=Count("id", filter=known), others=Count("id", filter=~known)
    )
    return Savings(
        actual_nusd=int(sums["actual"] or 0), baseline_nusd=int(sums["baseline"] or 0), runs=sums["runs"], runs_without_baseline=sums["others"]
    )

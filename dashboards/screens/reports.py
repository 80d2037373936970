"""What finance can take away, and what it can read: each with one sentence."""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct

from billing.exports.columns import Column
from billing.exports.samples import sample
from billing.exports.wanted import Wanted
from billing.exports.work import MOST_ROWS_AT_ONCE
from billing.models import ExportJob
from dashboards.forms.reports import File

State = ExportJob.State
READINGS: Mapping[str, tuple[str, str]] = {
    "statement": ("Month statement", "What the month opened with, what its calls came to, what was corrected, what it closed with."),
    "chargeback": ("Chargeback", "The month split by end user, tier, key, tag, domain or model: the parts sum to the statement."),
    "budgets": ("Budget report", "Each budget beside what was spent of it."),
    "savings": ("Savings statement", "What the same answers would have cost without the cascade. Beside the book, never an entry in it."),
}  # fmt: skip


class ShownFile(Struct, frozen=True, kw_only=True):
    """An export as the page shows it. `percent` is how far the worker is."""

    job: ExportJob
    label: str
    tag: str
    percent: int

    @property
    def is_open(self) -> bool:
        return self.job.state in (State.WAITING, State.RUNNING)

    @property
    def is_failed(self) -> bool:
        return self.job.state == State.FAILED

    @property
    def rows_a_second(self) -> int:
        """Since the run that writes it began; 0 before the first row has come."""
        begun, beat = self.job.started_at, self.job.beat_at
        seconds = (beat - begun).total_seconds() if begun and beat else 0
        return int(self.job.rows_done / seconds) if self.job.state == State.RUNNING and seconds > 0 else 0

    @property
    def seconds_left(self) -> int | None:
        """At the speed so far. Worked number: 300,000 of 500,000 rows in 10 s leave 6.7 s, told as 7."""
        if not self.rows_a_second or self.job.rows_expected is None:
            return None
        return -(-max(0, self.job.rows_expected - self.job.rows_done) // self.rows_a_second)

    @property
    def is_there(self) -> bool:
        return self.job.state in (State.READY, State.DONE)


LABELS = {
    State.READY: ("ready", "g"), State.WAITING: ("waiting", "w"), State.RUNNING: ("being written", "w"), State.DONE: ("done", "g"),
    State.CANCELLED: ("cancelled", ""), State.FAILED: ("failed", "d"), State.EXPIRED: ("expired", ""),
}  # fmt: skip


class ShownSample(Struct, frozen=True, kw_only=True):
    """What a file would hold. Of the rows only the columns are shown in which something stands."""

    file: File
    wanted: Wanted
    columns: Sequence[Column]
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    day: date | None
    rows_expected: int | None
    is_most: bool

    @property
    def is_large(self) -> bool:
        return (self.rows_expected or 0) > MOST_ROWS_AT_ONCE

    @property
    def left_out(self) -> int:
        return len(self.columns) - len(self.heads)


def shown_sample(wanted: Wanted, *, file: File, catalog: Mapping[str, Mapping[str, str]]) -> ShownSample:
    """Raises UnknownExport for what does not fit together."""
    found = sample(wanted, catalog=catalog)
    used = [number for number in range(len(found.columns)) if any(row[number] not in (None, "") for row in found.rows)]
    return ShownSample(
        file=file, wanted=wanted, columns=found.columns, heads=[found.columns[number].name for number in used],
        rows=[[row[number] or "" for number in used] for row in found.rows], day=found.day, rows_expected=found.rows_expected, is_most=found.is_most,
    )  # fmt: skip


def shown_file(job: ExportJob) -> ShownFile:
    label, tag = LABELS[State(job.state)]
    return ShownFile(job=job, label=label, tag=tag, percent=min(100, 100 * job.rows_done // job.rows_expected) if job.rows_expected else 0)


def newest_files(count: int = 20) -> Sequence[ShownFile]:
    return [shown_file(job) for job in ExportJob.objects.defer("manifest").order_by("-created_at", "-id")[:count]]

"""manage.py export_costs: a file for finance, written to disk or to the standard output. docs/guides/finance.md tells what is in it."""

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.exports import files
from billing.exports.making import Made, Prepared, make, prepare
from billing.exports.parquet import ParquetMissing
from billing.exports.wanted import FILTERS, Dimension, FocusVersion, Format, UnknownExport, Wanted, What
from billing.management.questions import day, tenant_named
from billing.reports import today_of
from cascade.catalog import names_of_models
from tenants.end_users import end_user_id
from tenants.models import Tenant
from tenants.scoping import tenant_scope

SAY_EVERY_S = 2.0
EXAMPLES = """
Examples:
  manage.py export_costs --tenant acme --from 2026-10-01 --to 2026-10-31 --out october.csv
  manage.py export_costs --tenant acme --what focus --from 2026-10-01 --to 2026-10-31 --format parquet --out focus.parquet
  manage.py export_costs --tenant acme --what usage --by end_user --names --filter tier=pro | column -s, -t
  manage.py export_costs --tenant acme --filter model=gpt-4o-mini --filter tag=team=growth --format csv.gz --out growth.csv.gz

Beside FILE it writes FILE.sha256 (for sha256sum -c) and FILE.manifest.json: days, filters, rows, and the sum of the costs as it is in the book.
Days are the tenant's own by the time of booking, so a month that is over does not change any more; those of focus are UTC's.
"""


class Command(BaseCommand):
    help = "Writes what a tenant spent to a file: cost entries, usage per day, budgets, or FinOps FOCUS. It needs little memory, however long it is."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--what", default="cost_entries", choices=get_args(What), help="(default: cost_entries, one row each)")
        parser.add_argument("--from", dest="first", type=day, metavar="DATE", help="first day (default: the first of this month)")
        parser.add_argument("--to", dest="last", type=day, metavar="DATE", help="last day, included (default: today)")
        parser.add_argument(
            "--filter", action="append", default=[], metavar="NAME=VALUE", help=f"only these entries, repeatable: {', '.join(FILTERS)}, end_user"
        )
        parser.add_argument("--by", default="model", choices=get_args(Dimension), help="of usage: what is counted per day (default: model)")
        parser.add_argument("--names", action="store_true", help="names of end users and keys beside their ids, as they are now")
        parser.add_argument("--focus", default="1.2", choices=get_args(FocusVersion), help="of focus: 1.2 and 1.3 are one file (default)")
        parser.add_argument("--tag-key", action="append", default=[], metavar="KEY", help="of focus: a key of tags that splits rows: team")
        parser.add_argument("--users", action="store_true", help="of focus: rows per end user, with our id of them")
        parser.add_argument("--calls", action="store_true", help="of focus: a row per call and meter")
        parser.add_argument("--provider-bill", action="store_true", help="of focus: the provider's own bill is imported too, so BilledCost is 0")
        parser.add_argument("--format", default="csv", choices=get_args(Format))
        parser.add_argument("--out", type=Path, metavar="FILE", help="where it is written, whole or not at all (default: the standard output)")

    def handle(self, *, tenant: str, out: Path | None, **options: Any) -> None:
        owner = tenant_named(tenant)
        try:
            with tenant_scope(owner.pk):
                prepared = prepare(_wanted(owner, options), catalog=names_of_models())
            made = self._to_file(prepared, out) if out else self._to_output(prepared)
        except (UnknownExport, ParquetMissing) as wrong:
            raise CommandError(str(wrong)) from wrong
        except OSError as wrong:
            raise CommandError(f"{out or 'the standard output'} could not be written: {wrong.strerror}") from wrong
        self._say(f"{made.rows:,} rows, {made.size_bytes:,} bytes, cost {made.manifest['cost']} USD, sha256 {made.sha256}")

    def _to_file(self, prepared: Prepared, out: Path) -> Made:
        with files.becoming(out) as file:
            made = make(prepared, file, on_rows=self._progress())
        files.write_beside(out, sha256=made.sha256, manifest={**made.manifest, "file": out.name})
        return made

    def _to_output(self, prepared: Prepared) -> Made:
        made = make(prepared, sys.stdout.buffer, on_rows=self._progress())
        sys.stdout.buffer.flush()
        return made

    def _progress(self) -> Callable[[int], None]:
        began = said_at = perf_counter()

        def told(rows: int) -> None:
            nonlocal said_at
            now = perf_counter()
            if now - said_at > SAY_EVERY_S:
                said_at = now
                self._say(f"... {rows:,} rows, {rows / (now - began):,.0f} a second")

        return told

    def _say(self, text: str) -> None:
        """Beside the file: the standard output may be it."""
        self.stderr.write(text, self.style.NOTICE)


def _wanted(tenant: Tenant, options: dict[str, Any]) -> Wanted:
    last = options["last"].date() if options["last"] else today_of(time_zone=tenant.time_zone, now=timezone.now())
    first: date = options["first"].date() if options["first"] else last.replace(day=1)
    return Wanted(
        what=options["what"], format=options["format"], first=first, last=last, filters=_filters(tenant, options["filter"]), dimension=options["by"],
        names=options["names"], focus=options["focus"], tag_keys=tuple(options["tag_key"]), users=options["users"], calls=options["calls"],
        provider_bill=options["provider_bill"],
    )  # fmt: skip


def _filters(tenant: Tenant, given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandError(f"{text!r} is no filter: write NAME=VALUE, for example model=gpt-4o-mini")
        if name == "end_user":
            name, value = "end_user_id", str(end_user_id(salt=bytes(tenant.end_user_salt), external_id=value))
        found[name] = value
    return found

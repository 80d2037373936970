"""manage.py forget_end_user: erase who an end user is; their money stays booked under the derived id."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.erasure import forget_end_user
from billing.management.questions import tenant_named
from tenants.models import EndUser
from tenants.scoping import tenant_scope


class Command(BaseCommand):
    help = "Erases the identity of an end user. Money, holds and run traces stay under an id that says nothing; budgets go on to hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="slug of the tenant")
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument("--user", help="the tenant's own name for the person; also for one who never called")
        whom.add_argument("--id", type=UUID, help="our id of the person: to erase again after a restore, as the log and the notes have it")

    def handle(self, *, tenant: str, user: str | None, **options: Any) -> None:
        with tenant_scope(tenant_named(tenant).pk):
            note = forget_end_user(external_id=user or _name_of(options["id"]), actor="manage.py forget_end_user", now=timezone.now())
        self.stdout.write(f"Erased. What they spent stays booked under {note.end_user_id}.")


def _name_of(identity: UUID) -> str:
    row = EndUser.objects.filter(pk=identity).first()
    if row is None:
        raise CommandError("There is no end user with this id: nothing says who it was, so there is nothing to erase.")
    return row.external_id

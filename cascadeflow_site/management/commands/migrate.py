"""`migrate` as the owner of the tables: the application's own role may not change them."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate

from tenants.database import OwnerIsApplication


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except OwnerIsApplication as wrong:
            raise CommandError(str(wrong)) from wrong

"""manage.py make_key: print a new API key, for the environment variable that a provisioning file names."""

from typing import Any

from django.core.management.base import BaseCommand

from tenants.keys import new_key


class Command(BaseCommand):
    help = "Prints a new API key. It works once a provisioning file has given it to a tenant (manage.py provision)."

    def handle(self, **_: Any) -> None:
        self.stdout.write(new_key())

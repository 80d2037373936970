#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it starts the embedded PostgreSQL for as long as the command runs."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
    from django.core.management import execute_from_command_line

    from cascadeflow_site import embedded

    if embedded.is_wanted() and not embedded.is_needless(sys.argv[1:]):
        embedded.start()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

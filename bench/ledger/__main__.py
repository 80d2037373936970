"""Proof, with figures, of every promise about money. Prints one line a figure, `name: figure (target)`; ends with 1 where one is missed.

Parts: race, kill, postgres, disconnects, steps, mutants, bounds, clock. All together take about 20 minutes on two cores.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
os.environ.setdefault("HTTPS", "off")
django.setup()  # the parts stand on the invariants, which stand on rows

from bench.ledger import bounds, clock, disconnects, kill, mutants, postgres, race, steps  # noqa: E402 - needs Django
from bench.ledger.lines import Line  # noqa: E402
from bench.site import ROOT  # noqa: E402

PARTS = {
    "race": race.run, "kill": kill.run, "postgres": postgres.run, "disconnects": disconnects.run, "steps": steps.run, "mutants": mutants.run,
    "bounds": bounds.run, "clock": clock.run,
}  # fmt: skip
RESULTS = ROOT / "bench/results/ledger.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="fewer trials, to see that all works: proves less")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    lines: list[Line] = []
    for name in given.only:
        began = time.monotonic()
        for line in PARTS[name](quick=given.quick, say=_say):
            lines.append(line)
            print(line, flush=True)
        _say(f"{name} took {time.monotonic() - began:.0f} s")
    if given.save:
        _save(RESULTS, lines)
    missed = [line for line in lines if line.met is False]
    return int(bool(missed))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _save(path: Path, lines: list[Line]) -> None:
    path.write_text(json.dumps([line._asdict() for line in lines], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())

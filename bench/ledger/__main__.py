"""Proof, with figures, of every promise about money. Prints one line a figure, `name: figure (target)`; ends with 1 where one is missed.

Parts: race, kill, postgres, disconnects, steps, mutants, bounds, clock. All together take about 20 minutes on two cores.
"""

import argparse
import json
import os
import sys
import time
import traceback
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
SHOWN = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="fewer trials, to see that all works: proves less")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.save and given.quick:
        parser.error("--quick proves less than it would seem to once it is saved: leave one of the two away")
    found: dict[str, list[Line]] = {}
    for name in given.only:
        began = time.monotonic()
        found[name] = _lines(name, quick=given.quick)
        print(*found[name], sep="\n", flush=True)
        _say(f"{name} took {time.monotonic() - began:.0f} s")
    if given.save:
        _save(RESULTS, found)
    return int(any(line.met is False for lines in found.values() for line in lines))


def _lines(name: str, *, quick: bool) -> list[Line]:
    """What a part has to say. One that breaks down has proved nothing, and that is a miss; the others go on."""
    try:
        return PARTS[name](quick=quick, say=_say)
    except Exception as wrong:
        traceback.print_exc()
        return [Line(f"{name}: broke down", f"{type(wrong).__name__}: {' '.join(str(wrong).split())[:SHOWN]}", "target: not", met=False)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _save(path: Path, found: dict[str, list[Line]]) -> None:
    """Each part's figures take the place of its older ones; those of parts that did not run stay."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(kept | {part: [line._asdict() for line in lines] for part, lines in found.items()}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())

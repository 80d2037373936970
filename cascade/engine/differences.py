"""What differs between two presets, part by part: steps are told apart by domain and name, not by their place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cascade.engine.presets import CascadePreset
from cascade.engine.strategies import CascadeStep, DomainCascadeStrategy


class Difference(Struct, frozen=True, kw_only=True):
    """One part that differs. `path` names it in words joined by dots: "medical.draft.threshold"."""

    path: str
    change: Literal["added", "removed", "changed", "reordered"]
    old: Any = None
    new: Any = None


def differences(old: CascadePreset, new: CascadePreset) -> tuple[Difference, ...]:
    """Return what one must change in `old` to have `new`, in the order of the parts; empty where both decide alike.

    Name, title and version are not compared. Worked example: a stricter draft in one domain gives one difference,
    `Difference(path="medical.draft.threshold", change="changed", old=0.8, new=0.9)`.
    """
    found = [] if old.baseline == new.baseline else [Difference(path="baseline", change="changed", old=old.baseline, new=new.baseline)]
    ours, theirs = ({strategy.domain: strategy for strategy in preset.strategies} for preset in (old, new))
    for domain in dict.fromkeys([*ours, *theirs]):
        found += _of_strategy(domain, ours.get(domain), theirs.get(domain))
    return tuple(found)


def _of_strategy(domain: str, old: DomainCascadeStrategy | None, new: DomainCascadeStrategy | None) -> Iterator[Difference]:
    if old is None or new is None:
        yield _present(domain, old, new)
        return
    ours, theirs = _by_name(old.steps), _by_name(new.steps)
    for name in dict.fromkeys([*ours, *theirs]):
        yield from _of_step(f"{domain}.{name}", ours.get(name), theirs.get(name))
    before, after = [name for name in ours if name in theirs], [name for name in theirs if name in ours]
    if before != after:
        yield Difference(path=domain, change="reordered", old=before, new=after)


def _of_step(path: str, old: CascadeStep | None, new: CascadeStep | None) -> Iterator[Difference]:
    if old is None or new is None:
        yield _present(path, old, new)
        return
    for field in CascadeStep.__struct_fields__:
        ours, theirs = getattr(old, field), getattr(new, field)
        if ours != theirs:
            yield Difference(path=f"{path}.{field}", change="changed", old=msgspec.to_builtins(ours), new=msgspec.to_builtins(theirs))


def _present(path: str, old: Struct | None, new: Struct | None) -> Difference:
    change: Literal["added", "removed"] = "added" if old is None else "removed"
    return Difference(path=path, change=change, old=msgspec.to_builtins(old), new=msgspec.to_builtins(new))


def _by_name(steps: Sequence[CascadeStep]) -> Mapping[str, CascadeStep]:
    """Older definitions may have two steps of one name: the second is told from the first by its number."""
    found: dict[str, CascadeStep] = {}
    for step in steps:
        name, number = step.name, 2
        while name in found:
            name, number = f"{step.name}#{number}", number + 1
        found[name] = step
    return found

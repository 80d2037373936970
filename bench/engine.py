"""Time and memory of the engine alone: no network, no database. Prints `name: figure (target)` lines; ends with 1 where a target is missed.

Times are processor time of this process, of the fastest of many batches, as timeit advises: what neighbours take from the machine (its clock,
its caches) makes a batch slower, never faster.
"""

import argparse
import asyncio
import gc
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

from bench.ledger.lines import Line
from bench.site import ROOT
from billing.engine.pricing import Price, Usage
from cascade.engine.agent import CascadeAgent
from cascade.engine.domains import DomainDetector
from cascade.engine.plans import CascadeRequest
from cascade.engine.presets import AgentConfig
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.quality.validator import QualityValidator
from cascade.engine.tiers import TierAwareRouter
from cascade.engine.values import Completion, CompletionRequest, ModelConfig

RESULTS = ROOT / "bench/results/engine.json"
SIZES = (6, 60, 600, 4_200)
BATCHES = 25
PLAN_TARGET_US = {600: 400.0}
RUNS, WARM_UP = 100_000, 10_000
GROWTH_TARGET_KB, GROWTH_TARGET_OBJECTS = 256, 100
"""What the allocator and the event loop themselves may keep: two and a half bytes a run, and an object in a thousand."""
AT_ONCE, LATENCY_S, AT_ONCE_TARGET_S = 200, 0.5, 0.6
HUGE_CHARS, HUGE_TARGET_MS = 100_000, 5.0
VALIDATOR = QualityValidator()
TEXT = (
    "the order of our customer has not arrived and she asks whether the warehouse in Lyon can send a second parcel before Friday because her "
    "shop needs it for the market while the carrier says that his van was late and that rain on the mountain road made the driver wait until "
    "morning so please explain which options remain and what each of them would cost us in time and money"
)
WORDS = TEXT.split()
PROGRAMS = {
    "Java": ("java", "    int total{n} = sum(items, {n});\n    if (total{n} > 10) {{\n        print(\"over \" + total{n});\n    }}\n"),
    "Python": ("python", "total{n} = sum(items, {n})\nif total{n} > 10:\n    print('over', total{n})\n"),
}
LINES = 80
HOSTILE = {
    "unclosed brackets": "{[(", "unclosed texts": 'a = "\n', "unclosed comments": "/*\n", "one line of generics": "a<", "statements": "f(a);\n",
    "broken statements": "int = 3; f(;\n",
}
ANSWER = "You have two options. The warehouse can send a second parcel today, which arrives before Friday, or the customer waits for the first one."


class Instant(BaseProvider):
    """Answers with one fixed text after a fixed latency."""

    name = "bench"

    def __init__(self, *, latency_s: float) -> None:
        self._latency_s = latency_s

    async def complete(self, request: CompletionRequest) -> Completion:
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        message = {"role": "assistant", "content": ANSWER}
        return Completion(message=message, finish_reason="stop", usage=Usage(input_tokens=40, output_tokens=30), model=request.model.name)

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        answer = await self.complete(request)
        yield {"choices": [{"index": 0, "delta": dict(answer.message), "finish_reason": answer.finish_reason}]}


def prose(words: int) -> str:
    """Return so many words, in sentences, the same each time."""
    chance = random.Random(words)
    chosen = [chance.choice(WORDS) for _ in range(words)]
    return " ".join(word + "." if number % 14 == 13 else word for number, word in enumerate(chosen)) + "?"


def agent(*, latency_s: float = 0.0) -> CascadeAgent:
    models = {
        name: ModelConfig(name=name, provider="bench", upstream_name=name, price=Price(version="1", input_nusd=rate, output_nusd=4 * rate))
        for name, rate in (("mini", 150_000_000), ("large", 2_500_000_000))
    }
    config = AgentConfig(
        models=models, parts={"draft": "mini", "strong": "large", "checker": "mini"}, detector=DomainDetector(), router=TierAwareRouter(policies={}),
        today="2026-01-01",
    )  # fmt: skip
    return CascadeAgent(config=config, providers={"bench": Instant(latency_s=latency_s)})


def asked(text: str) -> CascadeRequest:
    return CascadeRequest(messages=[{"role": "user", "content": text}], model="production_ready", max_tokens=512)


def microseconds(work: Callable[[], object], *, times: int) -> float:
    """Return the processor time of one call, of the fastest batch."""
    found = []
    for _ in range(BATCHES):
        began = process_time()
        for _ in range(times):
            work()
        found.append((process_time() - began) / times)
    return min(found) * 1e6


def plans(*, quick: bool) -> Iterator[Line]:
    ours = agent()
    for size in SIZES:
        request = asked(prose(size))
        yield _time_line(f"plan, prompt of {size:,} words", microseconds(lambda r=request: ours.plan(r), times=20 if quick else 60), size)


def judgements(*, quick: bool) -> Iterator[Line]:
    for size in SIZES:
        prompt, draft = prose(min(size, 600)), Completion(message={"content": prose(size).rstrip("?") + "."}, finish_reason="stop", usage=None)

        def judge(prompt: str = prompt, draft: Completion = draft) -> object:
            return VALIDATOR.validate(prompt=prompt, completion=draft, parameters={}, domain="general", complexity="moderate")

        yield _time_line(f"validation, draft of {size:,} words", microseconds(judge, times=20 if quick else 60), size)


def program(name: str, *, lines: int = LINES, broken: bool = False) -> Completion:
    """Return a draft with one program of so many lines; a broken one lacks a bracket in the middle."""
    tag, unit = PROGRAMS[name]
    parts = [unit.format(n=number) for number in range(lines // unit.count("\n"))]
    if broken:
        parts[len(parts) // 2] = parts[len(parts) // 2].replace("(", "", 1)
    return Completion(message={"content": f"Here it is:\n```{tag}\n{''.join(parts)}```\n"}, finish_reason="stop", usage=None)


def judge_program(draft: Completion) -> object:
    return VALIDATOR.validate(prompt="Write the sums.", completion=draft, parameters={}, domain="code", complexity="moderate")


def programs(*, quick: bool) -> Iterator[Line]:
    for name in PROGRAMS:
        for broken in (False, True):
            draft = program(name, broken=broken)
            figure = microseconds(lambda d=draft: judge_program(d), times=20 if quick else 60)
            yield Line(f"validation, {'broken ' if broken else ''}{name} of {LINES} lines", f"{figure:.0f} us", "", None)


def _time_line(name: str, figure: float, size: int) -> Line:
    target = PLAN_TARGET_US.get(size)
    return Line(name, f"{figure:.0f} us", f"target {target:.0f} us" if target else "", figure <= target if target else None)


def longest_block(*, quick: bool) -> Iterator[Line]:
    """A plan and a judgement of the same huge text each hold the event loop this long."""
    text = prose(HUGE_CHARS // 5)[:HUGE_CHARS]
    ours = agent()
    draft = Completion(message={"content": text}, finish_reason="stop", usage=None)
    times = 2 if quick else 10
    found = {
        "plan": microseconds(lambda: ours.plan(asked(text)), times=times),
        "validation": microseconds(
            lambda: VALIDATOR.validate(prompt=text, completion=draft, parameters={}, domain="general", complexity="expert"), times=times
        ),
    }
    for name, figure in found.items():
        yield _block_line(f"{name}, {HUGE_CHARS // 1000} kB", figure)
    for name, unit in HOSTILE.items():
        found = [microseconds(lambda d=draft: judge_program(d), times=times) for draft in _hostile(unit)]
        yield _block_line(f"validation, {HUGE_CHARS // 1000} kB of code, {name}", max(found))


def _hostile(unit: str) -> Iterator[Completion]:
    """Yield it in each of four languages, as one long block and as blocks that are just short enough to be parsed."""
    for tag in ("java", "js", "cpp", "python"):
        for size in (HUGE_CHARS, 7_900, 2_500):
            block = f"```{tag}\n{(unit * (size // len(unit) + 1))[:size]}\n```\n"
            yield Completion(message={"content": block * (HUGE_CHARS // size)}, finish_reason="stop", usage=None)


def _block_line(name: str, figure: float) -> Line:
    return Line(name, f"{figure / 1000:.2f} ms", f"target {HUGE_TARGET_MS:.0f} ms", figure / 1000 <= HUGE_TARGET_MS)


def growth(*, quick: bool) -> Iterator[Line]:
    runs = RUNS // 20 if quick else RUNS
    ours, request = agent(), asked(prose(60))
    drafts = [program("Java", lines=12, broken=broken) for broken in (False, True)]

    async def run(count: int) -> None:
        for _ in range(count):
            await ours.run(request)

    def judge(count: int) -> None:
        for number in range(count):
            judge_program(drafts[number % 2])

    yield _growth_line(f"memory growth over {runs:,} runs", lambda count: asyncio.run(run(count)), runs)
    yield _growth_line(f"memory growth over {runs:,} judged programs", judge, runs)


def _growth_line(name: str, work: Callable[[int], None], runs: int) -> Line:
    work(min(WARM_UP, runs))
    before = _held()
    work(runs)
    after = _held()
    kilobytes, blocks = after[0] - before[0], after[1] - before[1]
    return Line(name, f"{max(kilobytes, 0)} kB, {blocks} objects", "target 0", kilobytes <= GROWTH_TARGET_KB and blocks <= GROWTH_TARGET_OBJECTS)


def _held() -> tuple[int, int]:
    """Return the resident memory in kB and the number of blocks that Python holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4, sys.getallocatedblocks()


def at_once(*, quick: bool) -> Iterator[Line]:
    ours, request, count = agent(latency_s=LATENCY_S), asked(prose(60)), AT_ONCE // 10 if quick else AT_ONCE

    async def run() -> float:
        await ours.run(request)
        began = perf_counter()
        results = await asyncio.gather(*(ours.run(request) for _ in range(count)))
        took = perf_counter() - began
        assert all(len(result.steps) == 1 and result.completion is not None for result in results), "each run is to make one call"
        return took

    took = asyncio.run(run())
    name = f"{count} runs at once, provider answers after {LATENCY_S * 1000:.0f} ms"
    yield Line(name, f"{took:.3f} s", f"target {AT_ONCE_TARGET_S} s", took <= AT_ONCE_TARGET_S)


PARTS = {"plans": plans, "judgements": judgements, "programs": programs, "longest_block": longest_block, "at_once": at_once, "growth": growth}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="fewer trials, to see that all works: proves less")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    lines: list[Line] = []
    for name in given.only:
        for line in PARTS[name](quick=given.quick):
            lines.append(line)
            print(line, flush=True)
    if given.save:
        RESULTS.write_text(json.dumps([line._asdict() for line in lines], indent=1) + "\n")
    return int(any(line.met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())

"""Random requests, hostile ones too, at each provider: what they really cost is never above what was held."""

import importlib.util
import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.ledger.lines import Line, Say, zero
from billing.engine.pricing import Price, Usage, cost_nusd
from cascade.engine.domains import DomainDetector
from cascade.engine.planning import make_plan
from cascade.engine.plans import CascadeRequest
from cascade.engine.presets import AgentConfig
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS
from cascade.engine.tiers import TierAwareRouter
from cascade.engine.values import ModelConfig

REQUESTS = 10_000
Tokenizer = Callable[[str], int]
SCRAPS = (
    "Where is my order? ", "def f(x):\n    return x ** 2\n", "\u0627\u0644\u0633\u0644\u0627\u0645 ", "\u4f60\u597d\u4e16\u754c",
    "\U0001f469\u200d\U0001f680", "\ufdfa", "\u3356", "\u00e9\u0301\u0302", "\t\t   \n",
    "aGVsbG8gd29ybGQ=", "0x7f3a9b ", "\u200b\u200b", "\u1f82", "{\"a\": [1, 2, 3]}", "zzzzqqqqxxxx", "\u0b95\u0bcd\u0bb7", "\x07",
    "<|endoftext|>", "\"\\\"",
)
PER_MESSAGE, PER_REQUEST = 4, 3
"""OpenAI's own count of what frames a message and a reply."""
HIGH_DETAIL_IMAGE = 36_835
"""Tokens that gpt-4o-mini bills for a picture of 2,048 by 2,048 in high detail: 2,833 + 6 x 5,667."""


def run(*, quick: bool, say: Say) -> list[Line]:
    requests = 500 if quick else REQUESTS
    tokenizers = _tokenizers()
    say(f"bounds: tokenizers {', '.join(tokenizers)}; elsewhere every byte of the text, as it is or in NFKC, counts as a token")
    detector = DomainDetector()
    lines, random_source = [], random.Random(20261124)
    for provider in sorted(SUPPORTED_PROVIDERS):
        over = 0
        for _ in range(requests):
            over += _costs_more(random_source, provider, detector, tokenizers)
        what = f"requests, counted by {_counted_by(provider)}"
        lines.append(zero(f"bounds: {provider}, real cost above the hold", over, of=requests, what=what))
        say(f"bounds: {provider} done, {over} over")
    return lines


def _tokenizers() -> dict[str, Tokenizer]:
    """Real tokenizers that need no download: the ones that litellm ships."""
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "litellm_core_utils/tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    import tiktoken
    from tokenizers import Tokenizer as HuggingFace

    found: dict[str, Tokenizer] = {}
    for name in ("cl100k_base", "o200k_base"):
        encoding = tiktoken.get_encoding(name)
        found[name] = lambda text, encoding=encoding: len(encoding.encode(text, disallowed_special=()))  # type: ignore[misc]
    claude = HuggingFace.from_file(str(folder / "anthropic_tokenizer.json"))
    found["claude"] = lambda text: len(claude.encode(text).ids)
    return found


def _counted_by(provider: str) -> str:
    if provider == "openai":
        return "cl100k_base and o200k_base"
    return "claude" if provider == "anthropic" else "bytes, and bytes in NFKC"


def _count(provider: str, text: str, tokenizers: dict[str, Tokenizer]) -> int:
    if provider == "openai":
        return max(tokenizers["cl100k_base"](text), tokenizers["o200k_base"](text))
    if provider == "anthropic":
        return tokenizers["claude"](text)
    return max(len(text.encode()), len(unicodedata.normalize("NFKC", text).encode()))


def _costs_more(source: random.Random, provider: str, detector: DomainDetector, tokenizers: dict[str, Tokenizer]) -> bool:
    request, images, texts = _request(source)
    price = _price(source)
    model = ModelConfig(
        name="m", provider=provider, upstream_name="m", price=price, capabilities=frozenset({"tools", "json", "streaming", "vision"}),
        max_output_tokens=source.choice([256, 4096, 100_000]),
    )
    plan = make_plan(request, config=AgentConfig(models={"m": model}, detector=detector, router=TierAwareRouter(policies={})))
    cap = plan.steps[0].max_tokens
    asked = sum(_count(provider, text, tokenizers) for text in texts) + PER_MESSAGE * len(request.messages) + PER_REQUEST + images * HIGH_DETAIL_IMAGE
    said = source.choice([cap, cap, source.randint(0, cap)])
    cached = source.randint(0, asked)
    usage = Usage(
        input_tokens=asked, output_tokens=said, cached_input_tokens=cached, cache_write_tokens=source.randint(0, asked - cached),
        reasoning_tokens=source.randint(0, said),
    )
    return cost_nusd(usage=usage, price=price) > plan.max_cost_nusd


def _request(source: random.Random) -> tuple[CascadeRequest, int, list[str]]:
    """A request, how many pictures it has, and every text of it that a provider counts."""
    messages: list[dict[str, Any]] = []
    texts: list[str] = []
    images = 0
    for _ in range(source.choice([1, 1, 2, 5, 20])):
        text = "".join(source.choice(SCRAPS) for _ in range(source.choice([0, 1, 5, 40])))
        if source.random() < 0.2:
            text += "".join(chr(source.choice([source.randint(32, 0xD7FF), source.randint(0xE000, 0x10FFFF)])) for _ in range(20))
        texts.append(text)
        content: Any = text
        if source.random() < 0.1:
            content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
            images += 1
        messages.append({"role": source.choice(["system", "user", "assistant"]), "content": content})
        texts.append(messages[-1]["role"])
    parameters: dict[str, Any] = {}
    if source.random() < 0.2:
        function = {"name": "look_up", "description": source.choice(SCRAPS) * 5, "parameters": {"type": "object"}}
        parameters["tools"] = [{"type": "function", "function": function}]
        texts.append(msgspec.json.encode(parameters["tools"]).decode())
    if source.random() < 0.1:
        parameters["response_format"] = {"type": "json_object"}
    return CascadeRequest(messages=messages, model="m", parameters=parameters, max_tokens=source.choice([None, 1, 64, 2000])), images, texts


def _price(source: random.Random) -> Price:
    def rate(most: int) -> int:
        return source.choice([0, source.randint(1, most)])

    def maybe(most: int) -> int | None:
        return source.choice([None, rate(most)])

    return Price(
        version="v", input_nusd=rate(20_000_000_000), output_nusd=rate(80_000_000_000), cached_input_nusd=maybe(20_000_000_000),
        cache_write_nusd=maybe(30_000_000_000), reasoning_nusd=maybe(90_000_000_000), request_nusd=rate(10_000_000),
    )

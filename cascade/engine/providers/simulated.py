"""A provider that needs no key and no network: for demonstrations, tests and benchmarks. Off in production.

It says that it is simulated, always: `system_fingerprint` is "simulated", and plain text begins with "[simulated] ".
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from hashlib import blake2b
from typing import Any

from msgspec import Struct, structs

from billing.engine.pricing import Usage
from cascade.engine.errors import ProviderTimeout
from cascade.engine.providers.base import BaseProvider, Chunk
from cascade.engine.providers.simulated_answers import ANSWERS, CODE, cut_code, subject_of, sum_in, topic_of, worked_sum
from cascade.engine.providers.simulated_schema import example_of
from cascade.engine.values import Completion, CompletionRequest

__all__ = ["SimulatedProvider"]

MARK = "[simulated] "
FINGERPRINT = "simulated"
CREATED = 1767225600  # a fixed moment: the engine has no clock, and the same question has the same answer
WEAK = re.compile(r"(?<![a-z0-9])(mini|small|lite|haiku|8b|draft)(?![a-z])")
WEAK_FAILS_ONE_IN = 5
CHARACTERS_PER_TOKEN = 4
PIECES = re.compile(r"\s*\S+\s*$|\s*\S+")


class Script(Struct, frozen=True):
    """The answer before it is spoken."""

    text: str
    finish_reason: str = "stop"
    tool: str | None = None
    """The called tool's name; `text` is then its arguments as JSON."""


class SimulatedProvider(BaseProvider):
    """Answers deterministically by conversation and model.

    Models whose name holds mini, small, lite, haiku, 8b or draft fail about one question in five: they hedge, stop short,
    break Python or miscalculate; all others answer well. Honours `max_tokens`, tools, tool_choice and response_format.
    Token counts are characters / 4. `latency_scale` multiplies the believable waits (0.1 to 3 s); 0 answers at once.
    """

    def __init__(self, *, name: str = "simulated", latency_scale: float = 1.0) -> None:
        self.name = name
        self._latency_scale = latency_scale

    async def complete(self, request: CompletionRequest) -> Completion:
        script = script_for(request)
        usage = usage_for(request, script)
        await self._wait(request, base_s(request) + usage.output_tokens * per_token_s(request))
        return Completion(
            message=message_of(request, script),
            finish_reason=script.finish_reason,
            usage=usage,
            model=request.model.upstream_name,
            request_id=answer_id(request),
            system_fingerprint=FINGERPRINT,
        )

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        script = script_for(request)
        usage = usage_for(request, script)
        pieces = PIECES.findall(script.text) if script.tool is None else []
        await self._wait(request, base_s(request))
        yield chunk_of(request, delta={"role": "assistant", "content": "" if script.tool is None else None})
        if script.tool is not None:
            calls = [{"index": 0, **call} for call in message_of(request, script)["tool_calls"]]
            yield chunk_of(request, delta={"tool_calls": calls})
        for piece in pieces:
            await self._wait(request, usage.output_tokens * per_token_s(request) / len(pieces))
            yield chunk_of(request, delta={"content": piece})
        yield chunk_of(request, delta={}, finish_reason=script.finish_reason)
        yield {**chunk_of(request, delta={}), "choices": [], "usage": usage_on_wire(usage)}

    async def _wait(self, request: CompletionRequest, seconds: float) -> None:
        seconds *= self._latency_scale
        await asyncio.sleep(min(seconds, request.timeout_s))
        if seconds > request.timeout_s:
            text = f"{self.name} gave no complete answer within {request.timeout_s:g} seconds"
            raise ProviderTimeout(text, provider=self.name)


def script_for(request: CompletionRequest) -> Script:
    """Decide what to answer, and cut it at the output cap."""
    script = tool_script(request) or json_script(request) or text_script(request)
    room = request.max_tokens * CHARACTERS_PER_TOKEN
    if len(script.text) <= room:
        return script
    return structs.replace(script, text=script.text[:room], finish_reason="length")


def tool_script(request: CompletionRequest) -> Script | None:
    choice = request.parameters.get("tool_choice", "auto")
    functions = [tool.get("function") or {} for tool in request.parameters.get("tools") or ()]
    prompt = prompt_of(request)
    if not functions or choice == "none" or request.messages[-1].get("role") == "tool":
        return None
    if isinstance(choice, Mapping):
        wanted = [function for function in functions if function.get("name") == (choice.get("function") or {}).get("name")]
    else:
        wanted = [function for function in functions if is_named(function.get("name", ""), prompt)]
        wanted = wanted or (functions if choice == "required" else [])
    if not wanted:
        return None
    arguments = example_of(wanted[0].get("parameters") or {"type": "object"}, text=topic_of(prompt))
    return Script(json.dumps(arguments, ensure_ascii=False), "tool_calls", wanted[0].get("name", ""))


def is_named(name: str, prompt: str) -> bool:
    text = prompt.lower()
    return bool(name) and (name.lower() in text or name.lower().replace("_", " ") in text)


def json_script(request: CompletionRequest) -> Script | None:
    wanted = request.parameters.get("response_format") or {}
    topic = topic_of(prompt_of(request))
    if wanted.get("type") == "json_object" and asks_for_verdict(request):
        return Script(json.dumps({"verdict": "pass", "reason": "simulated check: no objection"}))
    if wanted.get("type") == "json_schema":
        value = example_of((wanted.get("json_schema") or {}).get("schema") or {}, text=topic)
    elif wanted.get("type") == "json_object":
        value = {"simulated": True, "topic": topic, "answer": f"A short answer about {topic}."}
    else:
        return None
    text = json.dumps(value, ensure_ascii=False)
    if fails(request):
        return Script(text[: max(1, len(text) * 2 // 3)], "length")
    return Script(text)


def asks_for_verdict(request: CompletionRequest) -> bool:
    """Is this a check of another model's answer (cascade.engine.checking)?"""
    first = request.messages[0]
    return first.get("role") == "system" and '"verdict"' in str(first.get("content"))


def text_script(request: CompletionRequest) -> Script:
    prompt = prompt_of(request)
    subject, task, failing = subject_of(prompt), sum_in(prompt), fails(request)
    if task is not None and subject in ("math", "general"):
        return Script(MARK + worked_sum(*task, slip=failing))
    if subject == "code":
        return code_script(prompt, failing=failing, cut=roll(request, "cut", 2) == 0)
    choices = ANSWERS[subject]
    text = choices[roll(request, "choice", len(choices))].format(topic=topic_of(prompt))
    if not failing:
        return Script(MARK + text)
    if roll(request, "cut", 2) == 0:
        return Script(MARK + text[: len(text) // 2], "length")
    return Script(f"{MARK}I'm not sure, but {text[0].lower()}{text[1:]} I may be wrong about this.")


def code_script(prompt: str, *, failing: bool, cut: bool) -> Script:
    text = prompt.lower()
    code = next(code for word, code in CODE.items() if word in text)
    if not failing:
        return Script(f"```python\n{code}\n```\n\nThe last line shows it at work; it needs the standard library alone.")
    if cut:
        return Script(f"```python\n{code[: len(code) // 2]}", "length")
    return Script(f"```python\n{cut_code(code)}\n```")


def prompt_of(request: CompletionRequest) -> str:
    """Return the text of the last message of the user."""
    asked = [message for message in request.messages if message.get("role") == "user"] or list(request.messages)
    return text_of(asked[-1]) if asked else ""


def text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def is_weak(request: CompletionRequest) -> bool:
    return WEAK.search(request.model.upstream_name.lower()) is not None


def fails(request: CompletionRequest) -> bool:
    return is_weak(request) and roll(request, "fails", WEAK_FAILS_ONE_IN) == 0


def roll(request: CompletionRequest, what: str, sides: int) -> int:
    """Return a number below `sides`, always the same for the same conversation, model and purpose."""
    said = "\x1e".join(text_of(message) for message in request.messages)
    seed = f"{what}\x1f{request.model.upstream_name}\x1f{said}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(seed, digest_size=8).digest(), "big") % sides


def answer_id(request: CompletionRequest) -> str:
    return f"chatcmpl-simulated-{roll(request, 'id', 16**12):012x}"


def usage_for(request: CompletionRequest, script: Script) -> Usage:
    asked = sum(len(text_of(message)) // CHARACTERS_PER_TOKEN + 4 for message in request.messages)
    said = -(-len(script.text) // CHARACTERS_PER_TOKEN)
    return Usage(input_tokens=asked, output_tokens=max(1, min(said, request.max_tokens)))


def usage_on_wire(usage: Usage) -> dict[str, int]:
    asked, said = usage.input_tokens, usage.output_tokens
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def base_s(request: CompletionRequest) -> float:
    return 0.12 if is_weak(request) else 0.35


def per_token_s(request: CompletionRequest) -> float:
    return 0.004 if is_weak(request) else 0.012


def message_of(request: CompletionRequest, script: Script) -> dict[str, Any]:
    if script.tool is None:
        return {"role": "assistant", "content": script.text}
    call = {
        "id": f"call_{roll(request, 'call', 16**12):012x}",
        "type": "function",
        "function": {"name": script.tool, "arguments": script.text},
    }
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def chunk_of(request: CompletionRequest, *, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": answer_id(request), "object": "chat.completion.chunk", "created": CREATED, "model": request.model.upstream_name,
        "system_fingerprint": FINGERPRINT, "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish_reason}],
    }  # fmt: skip

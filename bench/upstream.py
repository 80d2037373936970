#!/usr/bin/env python3
"""An OpenAI-compatible upstream for tests and benchmarks, fast enough not to be the bottleneck.

    python3 bench/upstream.py [--port 9100] [--delay-ms 0] [--data ../shared/data] [--journal]

Standard library only; uvloop is used when it is importable. Listens on 127.0.0.1.

POST /v1/chat/completions   by the request's "model":
  replay   a model named in the data's cascade_*.jsonl answers a prompt it knows with its RECORDED text and
           token counts (real answers of real models); strong models have counts but no text, so filler is sent
  fault-*  429 500 503 timeout reset garbage empty no-usage huge truncated-sse drip   (e.g. "fault-503")
  flaky-P  500 with probability P, else a fixed answer                                (e.g. "flaky-0.2")
  other    a fixed answer of about 300 tokens
  A suffix "@250ms" on any model delays its answer. "stream": true streams Server-Sent Events; usage is in the
  last chunk when stream_options.include_usage is true. "max_tokens" cuts the answer: finish_reason "length".
GET /v1/models              the models it can replay
GET /stats                  what this provider would BILL, whether or not the client got the answer:
                            {"calls": n, "by": {"<user>|<model>": {"calls", "prompt_tokens", "completion_tokens"}}}
GET /invoice.csv            the same as a provider's usage file: date,model,user,requests,prompt_tokens,completion_tokens
GET /journal                with --journal: each call that it bills, in order: [id of the answer, user, model, prompt and completion tokens]
POST /reset                 forget what was billed
"""
import argparse
import asyncio
import collections
import datetime
import glob
import hashlib
import json
import random

FILLER = ("Thank you for your question. Your order left the warehouse on Tuesday and should arrive within two working "
          "days. You can follow it with the number in your confirmation mail. If it has not arrived by Friday, answer "
          "this message and we will send a new one or return your money, as you prefer. ") * 4
RECORDED: dict[tuple[str, str], tuple[str | None, int, int]] = {}   # (model, prompt hash) -> text, prompt and completion tokens
MODELS: set[str] = set()
BILLED: dict[tuple[str, str], list[int]] = collections.defaultdict(lambda: [0, 0, 0])
JOURNAL: list[tuple[str, str, str, int, int]] | None = None   # id, user, model, prompt and completion tokens
DELAY = 0.0


def key(prompt):
    return hashlib.sha256(prompt.strip().encode()).hexdigest()[:24]


def load(folder):
    for name in sorted(glob.glob(f"{folder}/cascade_*.jsonl")):
        with open(name, encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                for models in (row["drafts"], row["strong"]):
                    for model, answer in models.items():
                        MODELS.add(model)
                        text = answer.get("output")
                        asked = answer.get("in_tok") or len(row["prompt"]) // 4 + 4          # not every row has counts
                        said = answer.get("out_tok") or (len(text) // 4 + 1 if text else 300)
                        RECORDED[model, key(row["prompt"])] = (text, asked, said)


def words(text, count):
    return text if count <= 0 else (text * (1 + count * 5 // max(1, len(text))))[: count * 5]


def answer(body):
    """-> (text, prompt tokens, completion tokens, finish reason, is this prompt's text recorded)"""
    prompt = body["messages"][-1].get("content") or ""
    if isinstance(prompt, list):
        prompt = " ".join(part.get("text", "") for part in prompt if isinstance(part, dict))
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    known = RECORDED.get((body["model"].split("@")[0], key(prompt)))
    if known:
        text, asked, said = known
        text = words(FILLER, said) if text is None else text
    else:
        asked, said, text = sum(len(str(m.get("content") or "")) for m in body["messages"]) // 4 + 4, 300, words(FILLER, 300)
    if limit and said > limit:
        return text[: int(len(text) * limit / said)], asked, limit, "length"
    return text, asked, said, "stop"


def http(status, payload, kind="application/json", extra=""):
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error",
              503: "Service Unavailable"}[status]
    return f"HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {len(payload)}\r\n{extra}\r\n".encode() + payload


def error(status, message):
    extra = "retry-after: 1\r\n" if status in (429, 503) else ""
    return http(status, json.dumps({"error": {"message": message, "type": "upstream_error", "code": str(status)}}).encode(), extra=extra)


class Upstream(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer, self.task, self.queue = transport, b"", None, collections.deque()

    def connection_lost(self, _exc):
        if self.task:
            self.task.cancel()

    def data_received(self, data):
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + size:
                return
            line, body = self.buffer[: self.buffer.find(b"\r\n")], self.buffer[end + 4: end + 4 + size]
            self.buffer = self.buffer[end + 4 + size:]
            method, path, _ = line.decode().split(" ", 2)
            if self.task and not self.task.done():
                self.queue.append((method, path, body))
            else:
                self.begin(method, path, body)

    def begin(self, method, path, body):
        if path == "/v1/chat/completions" and method == "POST":
            quick = self.quick(body)
            if quick is not None:
                self.transport.write(quick)
                return
            self.task = asyncio.ensure_future(self.slow(body))
            self.task.add_done_callback(self.next)
        elif path == "/v1/models":
            models = [{"id": m, "object": "model", "owned_by": "replay"} for m in sorted(MODELS)]
            self.transport.write(http(200, json.dumps({"object": "list", "data": models}).encode()))
        elif path == "/stats":
            by = {f"{u}|{m}": dict(zip(("calls", "prompt_tokens", "completion_tokens"), v, strict=True))
                  for (u, m), v in BILLED.items()}
            self.transport.write(http(200, json.dumps({"calls": sum(v[0] for v in BILLED.values()), "by": by}).encode()))
        elif path == "/journal":
            self.transport.write(http(200, json.dumps(JOURNAL or []).encode()))
        elif path == "/invoice.csv":
            day = datetime.datetime.now(datetime.UTC).date().isoformat()
            rows = [f"{day},{m},{u},{v[0]},{v[1]},{v[2]}" for (u, m), v in sorted(BILLED.items())]
            head = "date,model,user,requests,prompt_tokens,completion_tokens"
            self.transport.write(http(200, "\n".join([head, *rows, ""]).encode(), "text/csv"))
        elif path == "/reset":
            BILLED.clear()
            if JOURNAL is not None:
                JOURNAL.clear()
            self.transport.write(http(200, b"{}"))
        else:
            self.transport.write(error(404, "no such path"))

    def next(self, task):
        if not task.cancelled() and task.exception():
            self.transport.close()
        elif self.queue and not self.transport.is_closing():
            self.begin(*self.queue.popleft())

    def bill(self, body, asked, said):
        """-> the id of the answer that is billed"""
        identity = f"chatcmpl-{random.getrandbits(64):016x}"
        if JOURNAL is not None:
            JOURNAL.append((identity, str(body.get("user") or ""), body["model"], asked, said))
        row = BILLED[str(body.get("user") or ""), body["model"]]
        row[0] += 1
        row[1] += asked
        row[2] += said
        return identity

    def whole(self, body):
        text, asked, said, reason = answer(body)
        reply = {"id": self.bill(body, asked, said), "object": "chat.completion", "created": 1767225600,
                 "model": body["model"],
                 "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}],
                 "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}}
        if body["model"] == "fault-no-usage":
            del reply["usage"]
        if body["model"] == "fault-empty":
            reply["choices"] = []
        return http(200, json.dumps(reply).encode())

    def quick(self, raw):
        try:
            body = json.loads(raw)
            model = body["model"]
            if not body["messages"]:
                raise ValueError("messages is empty")
        except (ValueError, KeyError, TypeError) as wrong:
            return error(400, f"bad request: {wrong}")
        if DELAY or "@" in model or body.get("stream") or model in ("fault-timeout", "fault-reset", "fault-huge", "fault-drip"):
            return None
        if model.startswith("fault-") and model[6:] in ("429", "500", "503"):
            return error(int(model[6:]), "made to fail")
        if model == "fault-garbage":
            self.bill(body, 10, 10)
            return http(200, b"<html>not json at all")
        if model.startswith("flaky-") and random.random() < float(model[6:]):
            return error(500, "flaky")
        return self.whole(body)

    async def slow(self, raw):
        body, send = json.loads(raw), self.transport.write
        model = body["model"]
        delay = float(model.split("@")[1].removesuffix("ms")) / 1000 if "@" in model else DELAY
        await asyncio.sleep(delay)
        if model == "fault-timeout":
            await asyncio.sleep(3600)
        if model.startswith("fault-") and model[6:] in ("429", "500", "503"):
            return send(error(int(model[6:]), "made to fail"))
        if model == "fault-reset":
            send(self.whole(body)[:200])
            return self.transport.abort()
        if model == "fault-huge":
            return send(http(200, b'{"x":"' + b"a" * 50_000_000 + b'"}'))
        if model == "fault-drip":
            for byte in self.whole(body):
                send(bytes([byte]))
                await asyncio.sleep(0.5)
            return None
        if not body.get("stream"):
            return send(self.whole(body))
        text, asked, said, reason = answer(body)
        identity = self.bill(body, asked, said)
        send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

        def event(delta, finish=None, **more):
            data = {"id": identity, "object": "chat.completion.chunk", "created": 1767225600, "model": model,
                    "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
            line = b"data: " + json.dumps(data).encode() + b"\n\n"
            send(b"%x\r\n%s\r\n" % (len(line), line))

        event({"role": "assistant", "content": ""})
        step = max(1, len(text) // 40)
        for at in range(0, len(text), step):
            event({"content": text[at: at + step]})
            if model == "fault-truncated-sse" and at > len(text) // 2:
                return self.transport.abort()
            await asyncio.sleep(0)
        event({}, reason)
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
            line = b"data: " + json.dumps({"id": identity, "object": "chat.completion.chunk", "created": 1767225600,
                                           "model": model, "choices": [], "usage": usage}).encode() + b"\n\n"
            send(b"%x\r\n%s\r\n" % (len(line), line))
        done = b"data: [DONE]\n\n"
        return send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done))


async def main():
    global DELAY, JOURNAL
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--port", type=int, default=9100)
    arguments.add_argument("--delay-ms", type=float, default=0)
    arguments.add_argument("--data", default=None)
    arguments.add_argument("--journal", action="store_true")
    given = arguments.parse_args()
    DELAY = given.delay_ms / 1000
    JOURNAL = [] if given.journal else None
    if given.data:
        load(given.data)
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", given.port, backlog=4096)
    print(f"upstream on http://127.0.0.1:{given.port}/v1, {len(MODELS)} recorded models", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop
        uvloop.run(main())
    except ImportError:
        asyncio.run(main())

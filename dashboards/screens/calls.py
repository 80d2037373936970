"""A call of the gateway as programs make it: with curl, and with the official clients."""

import json
import shlex
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tenants.models import EndUser

HEADERS = {"tier": "x-cascadeflow-tier", "domain": "x-cascadeflow-domain"}
"""What is said beside the body, for official clients refuse fields that they do not know."""


def in_code(asked: Mapping[str, Any], *, base_url: str) -> Mapping[str, str]:
    """Return the call in three languages. `asked` has model and prompt, and may have max_tokens, user, tier and domain: empty ones are left out."""
    body: dict[str, Any] = {"model": asked["model"], "messages": [{"role": "user", "content": asked["prompt"]}]}
    body |= {name: asked[name] for name in ("max_tokens", "user") if asked.get(name)}
    headers = {header: str(asked[name]) for name, header in HEADERS.items() if asked.get(name)}
    text = json.dumps(body, ensure_ascii=False)
    said = [f"{name}={value!r}" for name, value in body.items()] + ([f"extra_headers={headers!r}"] if headers else [])
    return {
        "base_url": base_url, "curl": _curl(text, headers, base_url=base_url), "python": ", ".join(said),
        "typescript": f"{text}, {{ headers: {json.dumps(headers)} }}" if headers else text,
    }  # fmt: skip


def _curl(body: str, headers: Mapping[str, str], *, base_url: str) -> str:
    """The key comes from the environment: it belongs into no history of a shell."""
    lines = [f"curl {shlex.quote(f'{base_url}/chat/completions')}", '-H "Authorization: Bearer $CASCADEFLOW_API_KEY"']
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in {"content-type": "application/json", **headers}.items()]
    return " \\\n  ".join([*lines, f"-d {shlex.quote(body)}"])


def known_name(end_user_id: UUID | None) -> str:
    """Return what the tenant calls an end user; nothing for one who was erased, or never named."""
    return EndUser.objects.filter(pk=end_user_id).values_list("external_id", flat=True).first() or "" if end_user_id else ""

"""What the OpenAPI document says beside the views: how errors look."""

from typing import Any

PROBLEM = {
    "type": "object",
    "description": "What went wrong, why, and what to do (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people."},
        "code": {"type": "string", "description": "For programs: it does not change."},
        "request_id": {"type": "string", "description": "Your `x-request-id` header, or a new one."},
        "errors": {
            "type": "object",
            "description": "Per field, what is wrong with it.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
RESPONSE = {"description": "Refused.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular: every operation may answer with a problem."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["4XX"] = RESPONSE
    return result

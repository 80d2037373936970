"""Who makes a model, told from its name: for files that tell the maker from the host. Where a name says nothing, the host is named."""

PUBLISHERS = {
    "llama": "Meta", "gpt-": "OpenAI", "o[1-9]": "OpenAI", "text-embedding": "OpenAI", "claude": "Anthropic", "gemini": "Google", "gemma": "Google",
    "mistral": "Mistral AI", "mixtral": "Mistral AI", "codestral": "Mistral AI", "qwen": "Alibaba", "qwq": "Alibaba", "deepseek": "DeepSeek",
    "command": "Cohere", "phi-": "Microsoft", "kimi": "Moonshot AI", "glm-": "Zhipu AI", "grok": "xAI", "nova-": "Amazon",
}  # fmt: skip


def publisher_sql(model: str, *, otherwise: str) -> str:
    """Return the expression that names the maker of the model that the expression `model` yields."""
    cases = " ".join(f"WHEN {model} ~* '(^|[/:_-]){start}' THEN '{name}'" for start, name in PUBLISHERS.items())
    return f"CASE {cases} ELSE {otherwise} END"

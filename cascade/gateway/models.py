"""GET /v1/models: presets first, then the tenant's concrete models."""

from typing import Any

from cascade.engine.errors import ModelNotFound
from cascade.runtime import TenantRuntime

AUTO = "auto"


def list_models(tenant: TenantRuntime) -> dict[str, Any]:
    agent = tenant.config.agent
    return {"object": "list", "data": [_entry(name, tenant) for name in (AUTO, *sorted(agent.presets), *sorted(agent.models))]}


def show_model(name: str, tenant: TenantRuntime) -> dict[str, Any]:
    """Raises ModelNotFound."""
    if name != AUTO and name not in tenant.config.agent.presets and name not in tenant.config.agent.models:
        raise ModelNotFound(f"No model or preset is called {name[:100]!r}. GET /v1/models lists them.", param="model")
    return _entry(name, tenant)


def _entry(name: str, tenant: TenantRuntime) -> dict[str, Any]:
    model = tenant.config.agent.models.get(name)
    return {"id": name, "object": "model", "created": 0, "owned_by": model.provider if model else "cascadeflow"}

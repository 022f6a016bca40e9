"""Which other services are there?"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourSettings:
    """Where they are; all are optional."""

    ai_model_service_url: str | None = None
    """Holds lists to a constitution of its own."""
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str = "https://api.openai.com/v1"
    openai_model: str = "gpt-4o-mini"
    timeout_seconds: float = 5.0

"""Changes of a tenant's words and phrases for domains. Calls are read by them from the next one on."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from cascade.engine.domains import words_of
from cascade.models import DomainRule
from tenants.scoping import claim_for_scope


def save_rule(*, rule: DomainRule, changes: Mapping[str, Any]) -> DomainRule:
    """Create or change a rule. Raises ValidationError for a phrase without a word, a weight beyond the bounds, or a second rule of a phrase."""
    for name, value in changes.items():
        setattr(rule, name, value)
    if not words_of(rule.phrase):
        raise ValidationError({"phrase": "Name a word or phrase: punctuation alone is never read."})
    if DomainRule.objects.filter(domain=rule.domain, phrase__iexact=rule.phrase).exclude(pk=rule.pk).exists():
        raise ValidationError({"phrase": f"There is a rule of {rule.domain} for this phrase already: change that one."})
    claim_for_scope(rule)
    rule.full_clean()
    rule.save()
    return rule


def delete_rule(rule: DomainRule) -> None:
    rule.delete()

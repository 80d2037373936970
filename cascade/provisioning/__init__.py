"""Configuration as code: a YAML file says what a tenant has, and `provision()` makes it so. docs/guides/provisioning.md tells the form."""

from cascade.provisioning.apply import provision
from cascade.provisioning.changes import Change
from cascade.provisioning.parse import InvalidFile, Problem

__all__ = ["Change", "InvalidFile", "Problem", "provision"]

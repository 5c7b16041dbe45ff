"""What a helper must be to work with this backend; go-helper/internal/cli/version.go says the same of itself."""

from __future__ import annotations

VERSION = "0.1.0"

PROTOCOL = 5
"""Raised with each change of what the rules and the helper's hidden commands tell each other."""

"""How long a test waits for what must happen. Nothing is decided by it: whatever works is seen the moment it happens, on a busy machine too."""

from __future__ import annotations

PATIENCE_S = 180.0
"""Three times the longest wait that the product has of its own (a back-off, a beat, a lease), and then some for two cores that others use as well."""

"""Composition: settings, configuration, processes, addresses. Everything here wires; nothing here decides."""

from __future__ import annotations

"""Mesh rules that need no network: today the names things are found under."""

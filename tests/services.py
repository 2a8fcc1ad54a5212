"""Pytest plugin: the real services behind the tests (replaced by the full one as soon as Django is on board)."""

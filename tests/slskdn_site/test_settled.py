"""What a start makes is walked by no collection: while it loads none happens, and afterwards they happen again."""

from __future__ import annotations

import gc

import pytest

from slskdn_site.celery import app
from slskdn_site.settled import loading


def test_nothing_is_collected_while_loading_and_everything_again_afterwards_also_when_loading_fails() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        with loading():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_what_a_worker_loads_before_it_forks_its_pool_is_frozen() -> None:
    gc.unfreeze()
    app.loader.import_default_modules()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 100_000

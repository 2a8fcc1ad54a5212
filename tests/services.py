"""Pytest plugin, loaded before Django's settings: gives the tests a data folder of their own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_data = tempfile.mkdtemp(prefix="slskdn-test-")
os.environ["SLSKDN_DATA"] = _data
atexit.register(shutil.rmtree, _data, ignore_errors=True)

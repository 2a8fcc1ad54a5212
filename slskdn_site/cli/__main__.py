"""`python -m slskdn_site.cli`, which `./slskdn` runs."""

from __future__ import annotations

import sys

from slskdn_site.cli.main import main

sys.exit(main(sys.argv[1:]))

"""`python -m tests.web.catalog_fill N`: fills a data folder for the browser with an artist and a label of N groups; 0: nobody asked for them yet."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    django.setup()
    from tests.web.catalog_seed import fill

    fill(int(sys.argv[1]))

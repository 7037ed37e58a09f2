"""Serves the browser's page on a host until its input ends; says at which address."""

from __future__ import annotations

import sys

from support.chromium import PAGE_FOLDER
from support.webpages import served

if __name__ == "__main__":
    with served(PAGE_FOLDER) as address:
        print(address, flush=True)
        sys.stdin.read()

"""The one way in which the installer gives up: with a sentence.

It must not know why.
"""

from __future__ import annotations


class Refused(Exception):
    """What cannot be done, and what to do about it, in one sentence."""

"""The verb ``selftest``: what this camera does on this machine, and what to change."""

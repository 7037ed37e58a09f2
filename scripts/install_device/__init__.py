"""The program behind ``./install-device``: it makes a machine a camera, and undoes it.

Runs on the standard library alone, because it runs before anything is installed.
"""

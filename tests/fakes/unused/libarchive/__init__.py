"""Stands in for libarchive-c, which picamera2 imports for a sensor of another kind."""

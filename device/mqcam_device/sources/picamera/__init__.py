"""Cameras of a Raspberry Pi, through picamera2."""

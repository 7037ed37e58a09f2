"""The Raspberry Pi's cameras, through picamera2, which is loaded when such a source starts."""

"""Stands in for the bindings of OpenEXR, which picamera2 imports for a sensor of another kind."""

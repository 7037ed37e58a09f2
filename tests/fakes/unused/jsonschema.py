"""Stands in for jsonschema, which picamera2 imports for a sensor of another kind."""

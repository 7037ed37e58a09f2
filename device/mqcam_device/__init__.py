"""The camera agent: one agent is one device is one camera."""

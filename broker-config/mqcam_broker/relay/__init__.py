"""The TURN server beside the broker."""

"""The authority, the broker's certificate, and their renewal."""

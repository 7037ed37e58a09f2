"""Who may believe whom: keys, signed documents, sealed messages, pins."""

"""The viewer: a client library, and the commands on top of it."""

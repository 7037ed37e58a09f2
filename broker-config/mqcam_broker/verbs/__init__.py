"""What the owner types: options, and what is said about what came of it."""

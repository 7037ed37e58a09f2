"""How much each viewer's path carries, and what the encoders make of it."""

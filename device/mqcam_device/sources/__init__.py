"""What pictures come from: a test pattern, a film file, cameras."""

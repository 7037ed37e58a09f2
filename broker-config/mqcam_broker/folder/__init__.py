"""A broker's folder: every file in it, read and written."""

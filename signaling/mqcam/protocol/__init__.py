"""The wire protocol as pure rules: messages and time in, effects out."""

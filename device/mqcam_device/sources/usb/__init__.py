"""USB cameras, chosen by an id that stays the same over reboots."""

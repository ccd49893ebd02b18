"""The configuration of the daemon."""

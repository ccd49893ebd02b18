"""The daemon: milter callbacks, worker processes, their supervisor, and the one judge."""

"""One worker: its loop, its decisions, what a handler sees of it; and tasks run without a pool."""

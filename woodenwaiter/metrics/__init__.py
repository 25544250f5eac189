"""What Prometheus is told of a supervisor, by a process of its own."""

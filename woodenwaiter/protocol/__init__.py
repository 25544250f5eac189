"""Redis: a queue's keys and scripts, the connection, what a failure means. Knows no process."""

"""The operating system: forks, signals, shared memory, CPUs, memory. Knows no Redis."""

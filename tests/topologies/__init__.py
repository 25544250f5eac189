"""Servers that stand together, and hosts with a network between them, for tests to break."""

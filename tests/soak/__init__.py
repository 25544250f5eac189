"""Supervisors, producers and faults at random, and a ledger that accounts for every task.

``python -m tests.soak --minutes 1 --seed 1``
"""

"""The housekeeper of one supervisor: what its queues in Redis need, whatever its workers do."""

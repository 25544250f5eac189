-- empty
-- Has a trash gone for good. PEXPIRE serves as a DEL, which would take a right more: to delete queues.
-- ARGV: see `trash`
-- Returns whether it was there.
redis.call('HDEL', TRASHES, NAME)
return redis.call('PEXPIRE', TRASH, 0)

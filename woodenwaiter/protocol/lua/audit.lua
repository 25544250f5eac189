-- audit
-- A line of who did what. It stands without the prelude: nothing of this is a queue's. A full server takes
-- it all the same, as in the prelude.
-- KEYS: the stream
-- ARGV: about how many lines are kept; fields and values
redis.call('XDEL', KEYS[1], '0-0')
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))

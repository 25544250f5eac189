-- trim
-- Throws the oldest dead letters away, but for so many.
-- ARGV: how many are to stay, at least
-- Returns how many were thrown away.
return redis.call('XTRIM', DEAD, 'MAXLEN', ARGV[1])

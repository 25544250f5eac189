-- Throws away a queue's oldest dead letters, as far as there are too many.
-- ARGV: how many are kept; how many are thrown away, at most
-- Returns how many were.
local kept, portion = tonumber(ARGV[1]), tonumber(ARGV[2])
local there = redis.call('XLEN', DEAD)
if there <= kept then
  return 0
end
return redis.call('XTRIM', DEAD, 'MAXLEN', math.max(kept, there - portion))

-- What is the matter with a queue that nobody sees to. Writes nothing, hence stands without the prelude,
-- which does.
-- KEYS: as everywhere
-- ARGV: for how long a lease must have run out, and how old a letter must be, both in ms
-- Returns how many owners' leases ran out so long ago; how many owners have none; how old the oldest
-- letter is, in ms, where it is older, -1 where none is.
local SETTLED, LEASES, DEAD = KEYS[3], KEYS[4], KEYS[6]
local time = redis.call('TIME')
local at = time[1] * 1000 + math.floor(time[2] / 1000)
local lapsed = redis.call('ZCOUNT', LEASES, '-inf', at - ARGV[1])
local without = math.max(0, redis.call('HLEN', SETTLED) - redis.call('ZCARD', LEASES))
local letter = redis.call('XRANGE', DEAD, '-', at - ARGV[2], 'COUNT', 1)[1]
return {lapsed, without, letter and at - string.match(letter[1], '^%d+') or -1}

-- What a queue has left for one of its hosts to do, counted at one moment: what is on its way from one
-- place to the next is in one of them. Writes nothing, hence stands without the prelude, which does.
-- KEYS: as everywhere; the last is that of the claims of an owner without a name
-- ARGV: the host's owners
-- Returns how many entries wait; how many these owners have claimed; when the next delayed one is due, in ms, as
-- text, nil if there is none; and whether the queue is paused.
local QUEUE, ARRIVALS, _, _, DELAYED, _, _, PAUSED, CLAIMS = unpack(KEYS)
local claimed = 0
for _, owner in ipairs(ARGV) do
  claimed = claimed + redis.call('LLEN', CLAIMS .. owner)
end
return {
  redis.call('LLEN', QUEUE) + redis.call('LLEN', ARRIVALS),
  claimed,
  redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2] or false,
  redis.call('EXISTS', PAUSED),
}

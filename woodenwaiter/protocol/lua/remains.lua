-- What is left to do of a queue, for a host that is to leave when nothing is: at one moment, as what goes
-- from one place to the next would be in neither of them. Writes nothing, hence stands without the prelude.
-- KEYS: as everywhere; the last is that of the claims of an owner without a name
-- ARGV: the owners of this host
-- Returns how many entries wait; how many these owners have claimed; when the next retry is due, in ms, as
-- text, nil if there is none; the server's time, in ms; for how long the queue is paused, as PTTL has it.
local QUEUE, ARRIVALS, _, _, DELAYED, _, _, PAUSED, CLAIMS = unpack(KEYS)
local time = redis.call('TIME')
return {
  redis.call('LLEN', QUEUE) + redis.call('LLEN', ARRIVALS),
  held_by(ARGV, CLAIMS),
  redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2] or false,
  time[1] * 1000 + math.floor(time[2] / 1000),
  redis.call('PTTL', PAUSED),
}

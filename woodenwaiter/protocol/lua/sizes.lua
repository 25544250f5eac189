-- How much a queue holds, counted at one moment: what is on its way from one place to the next is in one
-- of them. Writes nothing, hence stands without the prelude, which does.
-- KEYS: as everywhere; the last is that of the claims of an owner without a name
-- Returns how many entries wait, are claimed, are delayed, and are dead letters; how many owners there
-- are; when the next retry is due, in ms, as text, nil if there is none; the server's time, in ms; and what
-- is told of its pause, nil if there is none, and for how long it lasts, as PTTL has it.
local QUEUE, ARRIVALS, SETTLED, _, DELAYED, DEAD, _, PAUSED, CLAIMS = unpack(KEYS)
local owners = redis.call('HKEYS', SETTLED)
local time = redis.call('TIME')
return {
  redis.call('LLEN', QUEUE) + redis.call('LLEN', ARRIVALS),
  held_by(owners, CLAIMS),
  redis.call('ZCARD', DELAYED),
  redis.call('XLEN', DEAD),
  #owners,
  redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2] or false,
  time[1] * 1000 + math.floor(time[2] / 1000),
  redis.call('GET', PAUSED),
  redis.call('PTTL', PAUSED),
}

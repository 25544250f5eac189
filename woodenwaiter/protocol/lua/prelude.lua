-- Stands before every script. KEYS are the same everywhere; the last only where there is an owner.
local QUEUE, ARRIVALS, SETTLED, LEASES, DELAYED, DEAD, CLAIMS = unpack(KEYS)

-- A full server must still be drained: Redis checks `maxmemory` only until a script's first write,
-- and one that changes nothing will do.
redis.call('HDEL', SETTLED, '')

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function extend_lease(owner, milliseconds)
  redis.call('ZADD', LEASES, now() + milliseconds, owner)
end

-- Drops the owner's claims up to number `completed`. Returns how many are settled now, or nil for
-- an owner that does not exist. Counts are absolute: the same request may come twice.
local function settle(owner, completed)
  local settled = tonumber(redis.call('HGET', SETTLED, owner) or nil)
  if settled and settled < completed then
    redis.call('LTRIM', CLAIMS, 0, settled - completed - 1)
    redis.call('HSET', SETTLED, owner, completed)
    settled = completed
  end
  return settled
end

-- Moves all but the `keep` oldest claims back to the front of the queue, in their order.
local function put_back(keep)
  local surplus = math.max(0, redis.call('LLEN', CLAIMS) - keep)
  for _ = 1, surplus do
    redis.call('LMOVE', CLAIMS, QUEUE, 'LEFT', 'RIGHT')
  end
  return surplus
end

-- Two entries of the same bytes are one member of a sorted set: the second waits in the queue.
local function delay(milliseconds, entry)
  if redis.call('ZADD', DELAYED, 'NX', now() + milliseconds, entry) == 0 then
    redis.call('LPUSH', QUEUE, entry)
  end
end

-- The owner's failed claim number `seq` goes where the verdict says:
-- 'redeliver', milliseconds, entry  or  'bury', field, value, field, value, …
-- Added before it is taken: a key of the wrong type stops the script here, and nothing is lost.
local function carry_out(owner, seq, verdict, ...)
  if verdict == 'redeliver' then
    delay(...)
  else
    redis.call('XADD', DEAD, '*', ...)
  end
  redis.call('RPOP', CLAIMS)
  redis.call('HSET', SETTLED, owner, seq)
end

-- Stands before every script. KEYS are the same everywhere; the last only where there is an owner.
local QUEUE, ARRIVALS, SETTLED, LEASES, DELAYED, DEAD, TALLY, PAUSED, CLAIMS = unpack(KEYS)
local RECORD_SEPARATOR = 30 -- with which a header begins

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

-- How many of the owner's claims are settled, and the token of the request that was last obeyed; nil
-- for an owner that this server does not know, or not so far: it has come back with older data, from
-- before the token `known`. Before there were tokens a count stood alone.
local function standing(owner, known)
  local count, token = string.match(redis.call('HGET', SETTLED, owner) or '', '^(%d+) ?(%d*)$')
  count, token = tonumber(count), tonumber(token) or 0
  local is_ours = count and count <= 2 ^ 53 and token <= 2 ^ 53
  if not is_ours or token < tonumber(known) then
    return nil
  end
  return count, token
end

local function stand(owner, settled, token)
  redis.call('HSET', SETTLED, owner, string.format('%.0f %.0f', settled, token))
end

-- What is counted here happens in the same script, hence once. A count that cannot be kept (the key is of
-- a wrong type, its user may not) stops nothing.
local function count(field, number)
  redis.pcall('HINCRBY', TALLY, field, number)
end

-- Where a server lets its user do only some of this, a script ends halfway, and is tried again. What
-- adds an entry goes before what takes it: nothing is lost. That it may be taken is tried out before,
-- on none: nothing comes twice.
local function try_taking()
  redis.call('LTRIM', CLAIMS, 0, -1)
end

-- Drops the owner's claims up to number `completed`, of which `settled` are settled; returns how many
-- are now. Counts are absolute: the same request may come twice. What is dropped is counted first: a
-- script that cannot count must not drop, and a key of the wrong type may stop it later.
local function settle(owner, settled, completed, token)
  try_taking()
  stand(owner, math.max(settled, completed), token)
  if settled < completed then
    count('done', completed - settled)
    redis.call('LTRIM', CLAIMS, 0, settled - completed - 1)
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

-- What doorbells moved goes in front of the queue.
local function put_arrivals_back()
  while redis.call('LMOVE', ARRIVALS, QUEUE, 'LEFT', 'RIGHT') do end
end

-- Two entries of the same bytes are one member of a sorted set: the second waits in the queue.
local function delay(milliseconds, entry)
  if redis.call('ZADD', DELAYED, 'NX', now() + milliseconds, entry) == 0 then
    redis.call('LPUSH', QUEUE, entry)
  end
end

-- The oldest claim, which failed, goes where the verdict says:
-- 'redeliver', bytes of its header, the new header, milliseconds
-- 'bury', bytes of its header, field, value, field, value, …
-- Its payload is never sent again: whatever the server took once, it has.
-- Added before it is taken: a key of the wrong type stops the script here, and nothing is lost.
local function carry_out(verdict, header, ...)
  local claim = redis.call('LINDEX', CLAIMS, -1)
  if not claim then
    return
  end
  local payload = string.sub(claim, header + 1)
  if verdict == 'redeliver' then
    local new_header, milliseconds = ...
    delay(milliseconds, new_header .. payload)
  else
    local fields = {...}
    fields[#fields + 1] = 'payload'
    fields[#fields + 1] = payload
    redis.call('XADD', DEAD, '*', unpack(fields))
    count('buried', 1)
  end
  count('failed', 1)
  redis.call('LTRIM', CLAIMS, 0, -2)
end

-- Tries out, without a change to anything, what the other scripts do: a user may be allowed only some of
-- it. It stands without the prelude, and asks for its other keys in ARGV: else it could not say which.
-- KEYS: the queue
-- ARGV: its other keys; the last is that of the claims of an owner without a name, whom nobody is
-- Returns what is refused: a command, its key, and 1 where it is the key that is refused.
local QUEUE, ARRIVALS, SETTLED, LEASES, DELAYED, DEAD, TALLY, PAUSED, CLOCK, BEATS, _, NOBODYS = KEYS[1], unpack(ARGV)
local refused = {}

local function try(...)
  local command, key = ...
  local reply = redis.pcall(...)
  local why = type(reply) == 'table' and reply.err or ''
  if string.find(why, 'ACL failure') or string.find(why, 'The user executing the script') then
    refused[#refused + 1] = {command, key or '', string.find(why, 'access') and 1 or 0}
    return false
  end
  return true
end

for _, key in ipairs({QUEUE, unpack(ARGV)}) do
  try('LRANGE', key, 0, 0)
  try('LTRIM', key, 0, -1)
end
try('TIME')
try('EXISTS', NOBODYS)
try('LLEN', QUEUE)
try('LINDEX', QUEUE, 0)
try('LMOVE', QUEUE, ARRIVALS, '', '') -- refused, but for its syntax
try('HGET', SETTLED, '')
try('HKEYS', NOBODYS)
try('HLEN', SETTLED)
try('HSET', SETTLED, '', '', '') -- for its arity
try('ZADD', LEASES, '', '') -- for its score
try('ZSCORE', LEASES, '')
try('ZCARD', LEASES)
try('ZRANGE', LEASES, 0, 0)
try('ZRANGEBYSCORE', DELAYED, 0, 0, 'LIMIT', 0, 0)
try('ZREM', DELAYED, '')
try('XADD', DEAD, '0-0', '', '') -- for its id
try('HINCRBY', TALLY, '', '') -- for its number
try('HMGET', TALLY, '')
try('PEXPIRE', BEATS, '') -- for its time
try('PTTL', PAUSED)
try('GET', CLOCK)
try('SET', CLOCK, '', 'PX', 0) -- for its time

-- What has no such form, only where it can be undone.
local may_trim, may_delete = try('LTRIM', NOBODYS, 0, -1), try('HDEL', SETTLED, '')
if may_trim and may_delete and redis.pcall('LLEN', NOBODYS) == 0 then
  try('LPUSH', NOBODYS, '')
  try('RPUSH', NOBODYS, '')
  redis.pcall('LTRIM', NOBODYS, 1, 0)
  try('HSETNX', NOBODYS, '', '')
  redis.pcall('HDEL', NOBODYS, '')
end
return refused

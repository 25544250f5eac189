-- The server's time, in ms, the owners whose lease ran out, and when each did. One without a lease
-- (an operator deleted them, say) gets one: else nobody would ever miss it.
-- ARGV: most, lease in ms
local at = now()
if redis.call('HLEN', SETTLED) ~= redis.call('ZCARD', LEASES) then
  for _, owner in ipairs(redis.call('HKEYS', SETTLED)) do
    redis.call('ZADD', LEASES, 'NX', at + ARGV[2], owner)
  end
end
return {at, redis.call('ZRANGEBYSCORE', LEASES, '-inf', at, 'WITHSCORES', 'LIMIT', 0, ARGV[1])}

-- The owners whose lease ran out. One without a lease (an operator deleted them, say) gets one:
-- else nobody would ever miss it.
-- ARGV: most, lease in ms
if redis.call('HLEN', SETTLED) ~= redis.call('ZCARD', LEASES) then
  for _, owner in ipairs(redis.call('HKEYS', SETTLED)) do
    redis.call('ZADD', LEASES, 'NX', now() + ARGV[2], owner)
  end
end
return redis.call('ZRANGEBYSCORE', LEASES, '-inf', now(), 'LIMIT', 0, ARGV[1])

-- Puts due retries in front of the queue, the longest due first, and behind them what a doorbell
-- moved for a worker that then died, so that another one wakes.
-- ARGV: most
-- Returns how many retries were due, and the milliseconds until the next (-1: there is none).
local at = now()
while redis.call('LMOVE', ARRIVALS, QUEUE, 'LEFT', 'RIGHT') do end
local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', at, 'LIMIT', 0, ARGV[1])
for i = #due, 1, -1 do
  redis.call('RPUSH', QUEUE, due[i])
  redis.call('ZREM', DELAYED, due[i])
end
local following = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
return {#due, following and math.max(0, following - at) or -1}

-- What a queue holds, has counted and noted. Changes nothing.
-- ARGV: see `account`; how many of the last notes to return
-- Returns the server's time, as TIME does; how many entries wait, are claimed, are delayed; done, failed,
-- buried, requeued, returned; the last notes, the newest first; and two of all notes that follow each other:
-- the first one by which what waits longest may have come, and the one before it; nil where there is none.
local sums = account()

-- Notes only ever grow, hence can be searched. By it, no more had come than has left the queue by now.
local function first_place_that_is_earlier(left)
  local low, high = 0, redis.call('LLEN', BEATS)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if (numbers(redis.call('LINDEX', BEATS, middle))[2] or 0) <= left then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local with_it, without_it = false, false
if sums.waiting > 0 then
  local place = first_place_that_is_earlier(sums.came - sums.waiting)
  with_it = place > 0 and redis.call('LINDEX', BEATS, place - 1)
  without_it = redis.call('LINDEX', BEATS, place)
end
return {
  redis.call('TIME'),
  {sums.waiting, sums.claimed, sums.delayed},
  {sums.done, sums.failed, sums.buried, sums.requeued, sums.returned},
  redis.call('LRANGE', BEATS, 0, ARGV[2] - 1),
  {with_it, without_it},
}

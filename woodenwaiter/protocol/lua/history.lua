-- What a queue holds, has counted and noted. Changes nothing.
-- ARGV: see `account`; of how many ms rates are
-- Returns the server's time, as TIME does; how many entries wait, are claimed, are delayed; how many are
-- dead letters, how many owners there are, and when the next retry is due, as `sizes` has it; done, failed,
-- buried, requeued, purged; and notes, nil where there is none: the last; of two that follow each
-- other, the first one by which what waits longest may have come, and the one before it; of two others
-- the first one since rates are of, and the one before it, else the very first; and of its pause what
-- `sizes` has.
local sums = account()
local time = redis.call('TIME')
local notes = redis.call('LLEN', BEATS)

local function note(place)
  return place >= 0 and redis.call('LINDEX', BEATS, place)
end

-- Where the last note is of which a number is that at most: they only ever grow.
local function place_of(number, most)
  local low, high = 0, notes
  while low < high do
    local middle = math.floor((low + high) / 2)
    if (numbers(note(middle))[number] or 0) <= most then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local without = notes
if sums.waiting > 0 then
  without = place_of(2, sums.came - sums.waiting)
end
local since = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]
local before = math.min(place_of(1, since), notes - 1)

return {
  time,
  {sums.waiting, sums.claimed, sums.delayed},
  {
    redis.call('XLEN', DEAD),
    redis.call('HLEN', SETTLED),
    redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2] or false,
  },
  {sums.done, sums.failed, sums.buried, sums.requeued, sums.purged},
  {note(0), note(without - 1), note(without), note(before - 1), note(before)},
  {redis.call('GET', PAUSED), redis.call('PTTL', PAUSED)},
}

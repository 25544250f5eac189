-- Stands before the scripts that note, or tell, what has come to a queue and left it.
-- KEYS: those that all have in common; the queue's beats, and its minutes
-- ARGV: with what the keys of claims begin
local QUEUE, ARRIVALS, SETTLED, _, DELAYED, DEAD, TALLY, PAUSED, BEATS, MINUTES = unpack(KEYS)

-- What came to the queue needs no counting: it is there, or has left it. A dead letter that is requeued
-- comes once more; what was purged and is put back does not.
local function account()
  local tally = redis.call('HMGET', TALLY, 'done', 'failed', 'buried', 'requeued', 'purged')
  for i = 1, 5 do
    tally[i] = tonumber(tally[i]) or 0
  end
  local done, failed, buried, requeued, purged = unpack(tally)
  local waiting = redis.call('LLEN', QUEUE) + redis.call('LLEN', ARRIVALS)
  local busy = held_by(redis.call('HKEYS', SETTLED), ARGV[1])
  local delayed = redis.call('ZCARD', DELAYED)
  return {
    waiting = waiting,
    claimed = busy,
    delayed = delayed,
    came = waiting + busy + delayed + done + buried + purged,
    done = done,
    failed = failed,
    buried = buried,
    requeued = requeued,
    purged = purged,
  }
end

-- The numbers of what `beat` has noted.
local function numbers(note)
  local found = {}
  for number in string.gmatch(note or '', '%S+') do
    found[#found + 1] = tonumber(number)
  end
  return found
end

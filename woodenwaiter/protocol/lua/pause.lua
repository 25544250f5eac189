-- pause
-- From now on nobody claims anything. Who waits for the end of another pause is woken, and told of this
-- one, which may be over sooner.
-- KEYS: the last is what wakes those who wait, in front of the number of a pause
-- ARGV: what there is to be told of it; for how many ms it lasts, 0: until it is ended; for how many ms
-- those are woken who wait for the end of another
-- Returns what was told of that, nil if there was none, and how long it had left, as PTTL does.
local before, left = end_pause(ARGV[3])
-- Its number: no other has the same, unless the clock went back. So nobody finds its bell ringing.
local time = redis.call('TIME')
local number = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('PEXPIRE', RESUMED .. number, 0)
local note = number .. ' ' .. ARGV[1]
if ARGV[2] == '0' then
  redis.call('SET', PAUSED, note)
else
  redis.call('SET', PAUSED, note, 'PX', ARGV[2])
end
return {before, left}

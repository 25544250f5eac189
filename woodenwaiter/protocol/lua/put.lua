-- Pushes a portion of what somebody puts into the queue, as a producer would, and notes how much of it is
-- in. Who puts the same meanwhile waits until the other is done, or has not gone on for a while: then it
-- was interrupted, and they go on from there. It stands without the prelude, which has a full server take
-- what it refuses to producers.
-- KEYS: the queue, and what is noted of it
-- ARGV: who puts it; how many are in, as far as they know; for how many ms that is noted, and ms after
-- which somebody else is taken to be interrupted; the next payloads, none: all is in, and the note goes
-- Returns how many are in, and how many of them were pushed just now; nil while somebody else puts the
-- same; and a status where nothing is noted though it should be.
local QUEUE, NOTE = unpack(KEYS)
local me, first, kept, patience = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local done, whose, at = string.match(redis.call('GET', NOTE) or '', '^(%d+) (%x+) (%d+)$')
if not done and first > 0 then
  return redis.status_reply('GONE')
end
if done and whose ~= me and math.abs(now - at) < patience then
  return false
end
done = tonumber(done) or 0

local function note(number)
  redis.call('SET', NOTE, string.format('%.0f %s %.0f', number, me, now), 'PX', kept)
end

if #ARGV == 4 then
  redis.call('PEXPIRE', NOTE, 0) -- serves as a DEL
  return {done, 0}
end
note(done) -- whether it may be; before anything is pushed
if done ~= first then
  return {done, 0}
end
redis.call('LPUSH', QUEUE, unpack(ARGV, 5))
note(done + #ARGV - 4)
return {done + #ARGV - 4, #ARGV - 4}

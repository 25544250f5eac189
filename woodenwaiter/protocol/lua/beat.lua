-- Notes what has come to a queue and left it so far, unless that was noted just now, or is as it was. Where
-- less has than before (somebody deleted keys, or the clock went back), what was noted means nothing any
-- more.
-- ARGV: see `account`; ms between two notes, when the queue was last seen to have nothing waiting, when all
-- was last seen to be as it was noted, how many notes to keep, how many minutes, for how many ms
-- Returns the milliseconds until another may be noted; the time; and 1 if all is as it was noted, else 0.
-- A note is: when, what came, done, failed, buried, and when nothing waited; that of a minute
-- is the last one in it, and has also how many wait. Where that alone has changed, as workers claimed some,
-- the minute alone is noted anew. (Earlier releases read no beat that has more numbers.)
local every, empty_at, same_at = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local most_beats, most_minutes, kept = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local MINUTE = 60000
local at = now()
local last = numbers(redis.call('LINDEX', BEATS, 0))
local ago = at - (last[1] or 0)

if ago >= 0 and ago < every then
  return {every - ago, at, 0}
end

local minute = numbers(redis.call('LINDEX', MINUTES, 0))
local is_back = ago < 0 or at < (minute[1] or 0)
local sums = account()
local noted = {sums.came, sums.done, sums.failed, sums.buried}

local function is_as_before()
  for i = 1, #noted do
    if noted[i] ~= last[i + 1] then
      return false
    end
  end
  return true
end

local function is_less()
  for i = 1, #noted do
    if noted[i] < (last[i + 1] or 0) then
      return true
    end
  end
  return false
end

local function keep(list, most, ...)
  local note = {...}
  for i, number in ipairs(note) do
    note[i] = string.format('%.0f', number)
  end
  redis.call('LPUSH', list, table.concat(note, ' '))
  redis.call('LTRIM', list, 0, most - 1)
  redis.call('PEXPIRE', list, kept)
end

local function keep_minute()
  if minute[1] and math.floor(minute[1] / MINUTE) == math.floor(at / MINUTE) then
    redis.call('LTRIM', MINUTES, 1, -1)
  end
  local came, done, failed, buried, empty_at = unpack(noted)
  keep(MINUTES, most_minutes, at, came, done, failed, buried, empty_at, sums.waiting)
end

local is_same = not is_back and is_as_before()
local is_new = is_back or is_less()
noted[#noted + 1] = empty_at <= at and empty_at or 0
if is_same then
  if minute[7] ~= sums.waiting then
    keep_minute()
  end
  return {every, at, 1}
end
if is_new then
  last, minute = {}, {}
  redis.call('LTRIM', BEATS, 1, 0)
  redis.call('LTRIM', MINUTES, 1, 0)
end

if last[6] and same_at > last[1] then
  keep(BEATS, most_beats, same_at, unpack(last, 2, 6))
end
keep(BEATS, most_beats, at, unpack(noted))
keep_minute()
return {every, at, 0}

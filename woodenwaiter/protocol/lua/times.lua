-- Adds how long a host's handlers took to what all hosts of the queue have told in this slot of time, unless
-- it was added before: how many there were in each range. Counts are those since the host began: the same
-- request may come twice, or late. What was added of them stands by the host's name; where it does not, what
-- the host knows to have been added counts. It stands without the prelude: no entry depends on it.
-- KEYS: the queue's times
-- ARGV: the host; its counts, and of these, those that it knows to be here; ms of a slot, how many slots to
-- keep, for how many ms, for how many slots to know of a host that adds nothing
-- A field is: the number of a slot, with the counts in it; or a host, with the slot in which it last added
-- some, and its counts that are here.
local TIMES, HOST = KEYS[1], ARGV[1]
local length, slots, kept, known = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local MOST = 64 -- ranges, whatever stands there

redis.call('HDEL', TIMES, '') -- a full server takes what follows, as in the prelude
local time = redis.call('TIME')
local slot = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / length)
local field = string.format('%.0f', slot)

local function counts_in(text)
  local counts = {}
  for number in string.gmatch(text, '%d+') do
    if #counts < MOST then
      counts[#counts + 1] = tonumber(number)
    end
  end
  return counts
end

local function told(counts)
  local numbers = {}
  for range, count in ipairs(counts) do
    numbers[range] = string.format('%.0f', count)
  end
  return table.concat(numbers, ' ')
end

-- What is older than a day, and what the clock had come to before it went back; hosts that may be gone.
local function tidy_up()
  for _, name in ipairs(redis.call('HKEYS', TIMES)) do
    local number = tonumber(string.match(name, '^%d+$'))
    local latest = number or tonumber(string.match(redis.call('HGET', TIMES, name), '^%d+'))
    local is_old = not latest or latest <= slot - (number and slots or known)
    if is_old or latest > slot + (number and 1 or known) then
      redis.call('HDEL', TIMES, name)
    end
  end
end

local given, sums = counts_in(ARGV[2]), redis.call('HGET', TIMES, field)
local noted = string.match(redis.call('HGET', TIMES, HOST) or '', '^%d+ (.*)$')
local added, is_new = counts_in(noted or ARGV[3]), not sums
sums = counts_in(sums or '')

local is_more = false
for range = 1, math.max(#given, #added, #sums) do
  local more = math.max(0, (given[range] or 0) - (added[range] or 0))
  sums[range], added[range] = (sums[range] or 0) + more, (added[range] or 0) + more
  is_more = is_more or more > 0
end
if is_more then
  if is_new then
    tidy_up()
  end
  redis.call('HSET', TIMES, field, told(sums), HOST, field .. ' ' .. told(added))
  redis.call('PEXPIRE', TIMES, kept)
end

-- What a queue needs, whoever comes by: in this order, as whatever fails later costs no living owner its
-- lease.
--   The leases of the owners that are given are extended. By a script though ZADD XX would do: a full
--   server refuses that, and lets a script through (see the prelude).
--   Times are put right where the server's clock went back.
--   What a doorbell moved for a worker that then died goes in front of the queue, so that another one
--   wakes; and due retries, the longest due first, `most` at once, each behind one that waited. No more
--   come while any of them is in front: retries and what was pushed meanwhile take turns, however fast
--   either come.
--   An owner without a lease (an operator deleted them, say) gets one: else nobody would ever miss it.
-- KEYS: the last is the highest time that the server is known to have had, how far its clock went
-- back since, and up to which due time that has been put right
-- ARGV: most, lease in ms, most expired, owners…
-- Returns how many retries came to the queue; the milliseconds until the next, -1: there is none; the
-- server's time, in ms; how many owners there are; the owners whose leases ran out, and when each did;
-- the milliseconds until the next lease runs out, -1: none will; how many entries wait.
local CLOCK = KEYS[9]
local TOLERANCE, PORTION, A_DAY = 1000, 1000, 86400000
local most, lease, most_expired = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local at = now()

-- Nobody becomes an owner by it, and nobody again: only leases that are there are extended.
local function renew()
  for first = 4, #ARGV, PORTION do
    local leases = {}
    for i = first, math.min(first + PORTION - 1, #ARGV) do
      leases[#leases + 1] = at + lease
      leases[#leases + 1] = ARGV[i]
    end
    redis.call('ZADD', LEASES, 'XX', unpack(leases))
  end
end

-- Where no leases can be, it stops here though there is nobody to renew: such a host learns, too,
-- whether others can. Nobody's lease is taken unless all could.
local function count_owners()
  local owners = redis.call('HLEN', SETTLED)
  if owners ~= redis.call('ZCARD', LEASES) then
    for _, owner in ipairs(redis.call('HKEYS', SETTLED)) do
      redis.call('ZADD', LEASES, 'NX', at + lease, owner)
    end
  end
  return owners
end

-- Returns what ran out, and when the next does, unless it will be asked again for the sake of the others.
local function leases()
  local soonest = tonumber(redis.call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')[2])
  if not soonest or soonest > at then
    return {}, soonest and soonest - at or -1
  end
  return redis.call('ZRANGEBYSCORE', LEASES, '-inf', at, 'WITHSCORES', 'LIMIT', 0, most_expired), -1
end

-- The highest time; and where due times are being put right, by how much, and up to which they are.
local function noted()
  local mark, step, upto = string.match(redis.call('GET', CLOCK) or '', '^(%d+) (%d+) ([%d.e+-]+)$')
  if not tonumber(upto) then
    return tonumber(mark) or 0, 0
  end
  return tonumber(mark), tonumber(step), upto
end

-- Written no more often than it must be: each time it goes to replicas and to disk.
local function note(step, upto)
  redis.call('SET', CLOCK, string.format('%.0f %.0f %s', at, step, upto or '-'), 'PX', A_DAY)
end

renew()
local owners = count_owners()
local mark, step, upto = noted()
local ago = at - mark
local is_idle = redis.call('EXISTS', ARRIVALS, DELAYED) == 0
if ago >= TOLERANCE and not upto and (owners > 0 or not is_idle) then
  note(0)
end

local function told(promoted, left)
  local expired, lapse = leases()
  return {promoted, left, at, owners, expired, lapse, redis.call('LLEN', QUEUE)}
end

-- The usual case, before more functions are made than it needs.
if is_idle and ago >= 0 and not upto then
  return told(0, -1)
end

-- Nobody's ends sooner than one that is given now would: it may have been given since the step.
local function put_leases_right(step)
  local leases = redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES')
  for i = 1, #leases, 2 do
    local expiry = tonumber(leases[i + 1])
    redis.call('ZADD', LEASES, math.max(expiry - step, math.min(expiry, at + lease)), leases[i])
  end
end

-- A portion of the due times later than `upto`, the next ones first: what is put right lies below.
-- Returns up to where all is; nil: everywhere.
local function put_due_times_right(step, upto)
  local after = '(' .. upto
  local last = redis.call(
    'ZRANGEBYSCORE', DELAYED, after, '+inf', 'WITHSCORES', 'LIMIT', PORTION - 1, 1
  )[2]
  local wrong = redis.call('ZRANGEBYSCORE', DELAYED, after, last or '+inf', 'WITHSCORES')
  for i = 1, #wrong, 2 do
    redis.call('ZADD', DELAYED, tonumber(wrong[i + 1]) - step, wrong[i])
  end
  return last
end

-- Returns whether there is more to put right.
local function look_at_the_clock()
  if ago < -TOLERANCE then
    put_leases_right(-ago)
    step, upto = step - ago, string.format('%.0f', at)
  end
  if upto then
    upto = put_due_times_right(step, upto)
    note(upto and step or 0, upto)
  end
  return upto ~= nil
end

local function is_redelivered(position)
  return string.byte(redis.call('LINDEX', QUEUE, position) or '') == 30
end

local function promote()
  local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', at, 'LIMIT', 0, most)
  if #due == 0 or is_redelivered(-1) or is_redelivered(-2) then
    return 0
  end
  redis.call('ZREM', DELAYED, '') -- tried out, as in try_taking
  local waited = math.min(#due, redis.call('LLEN', QUEUE))
  for _ = 1, waited do
    redis.call('LMOVE', QUEUE, ARRIVALS, 'RIGHT', 'RIGHT')
  end
  for i = #due, 1, -1 do
    redis.call('RPUSH', QUEUE, due[i])
    if i <= waited then
      redis.call('LMOVE', ARRIVALS, QUEUE, 'RIGHT', 'RIGHT')
    end
    redis.call('ZREM', DELAYED, due[i])
  end
  return #due
end

local function next_due()
  return tonumber(redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2])
end

-- Returns how many retries came, and when the next is due.
local function put_forward(is_behind)
  put_arrivals_back()
  local following = next_due()
  if not following or (following > at and not is_behind) then
    return 0, following
  end
  return promote(), is_behind and at or next_due()
end

local is_behind = look_at_the_clock()
local promoted, following = put_forward(is_behind)
local left = following and math.max(0, following - at) or -1
return told(promoted, left)

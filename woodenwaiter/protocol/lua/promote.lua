-- Puts what a doorbell moved for a worker that then died in front of the queue, so that another one
-- wakes; and due retries, the longest due first, `most` at once, each behind one that waited. No
-- more come while any of them is in front: retries and what was pushed meanwhile take turns, however
-- fast either come.
-- KEYS: the last is the highest time that the server is known to have had, how far its clock went
-- back since, and up to which due time that has been put right
-- ARGV: most, lease in ms
-- Returns how many retries came to the queue, and the milliseconds until the next; -1: there is none.
local CLOCK = KEYS[7]
local TOLERANCE, PORTION, A_DAY = 1000, 1000, 86400000
local most, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = now()

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

-- The highest time; and where due times are being put right, by how much, and up to which they are.
local function noted()
  local mark, step, upto = string.match(redis.call('GET', CLOCK) or '', '^(%d+) (%d+) ([%d.e+-]+)$')
  if not tonumber(upto) then
    return tonumber(mark) or 0, 0
  end
  return tonumber(mark), tonumber(step), upto
end

local function note(step, upto)
  redis.call('SET', CLOCK, string.format('%.0f %.0f %s', at, step, upto or '-'), 'PX', A_DAY)
end

-- Returns whether there is more to put right. The mark is kept where there are times to put right,
-- and written once a second: each time it goes to replicas and to disk.
local function look_at_the_clock()
  local mark, step, upto = noted()
  if mark - at > TOLERANCE then
    put_leases_right(mark - at)
    step, upto = step + mark - at, string.format('%.0f', at)
  end
  if upto then
    upto = put_due_times_right(step, upto)
    note(upto and step or 0, upto)
  elseif at - mark >= TOLERANCE and redis.call('EXISTS', LEASES, DELAYED) > 0 then
    note(0)
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

local is_behind = look_at_the_clock()
while redis.call('LMOVE', ARRIVALS, QUEUE, 'LEFT', 'RIGHT') do end
local promoted = promote()
local following = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
if is_behind then
  following = at
end
return {promoted, following and math.max(0, following - at) or -1}

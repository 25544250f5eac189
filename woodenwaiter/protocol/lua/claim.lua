-- Settles what is done and hands out what to run next. After it, the owner's claims are exactly
-- what it returned: those it had lost sight of if there are any, else new ones; at most `want`.
-- ARGV: owner, completed, want, bytes after which to stop, lease in ms, the token that the owner
-- knows, this request's own, the mark of what runs alone on its host, ms until it is tried again;
-- how many entries were to be moved to its claims by commands just before, if any
-- Returns the claims, oldest first; their number, if it is the last argument; nil for an owner that
-- this server does not know, or not so far; while the queue is paused, a status that says
-- for how many ms, as PTTL does, and the number of the pause.
local owner, completed, want, enough = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local settled, last = standing(owner, ARGV[6])
local token, moves = tonumber(ARGV[7]), tonumber(ARGV[10] or 0)
if not settled then
  if not redis.call('HGET', SETTLED, owner) then
    put_back(0) -- what was moved for an owner that has ended
  end
  return false
end
-- Late, from a broken connection: its sender has asked again since, and gone on; what was moved for it
-- is found by the next. Or it comes twice, and is told of what it was given, nothing new.
if last > token or (last == token and redis.call('LLEN', CLAIMS) == 0) then
  return {}
end
settle(owner, settled, completed, token)
extend_lease(owner, ARGV[5])

-- Nothing begins. What was moved for it goes back, by commands or by its doorbell, and what it holds: it
-- has begun none of it. But it may have, where the request comes twice.
local left = redis.call('PTTL', PAUSED)
if left ~= -2 and last < token then
  put_back(0)
  put_arrivals_back()
  local number = string.match(redis.call('GET', PAUSED) or '', '^%d+') or ''
  return redis.status_reply('PAUSED ' .. left .. ' ' .. number)
end

local function runs_alone(claim)
  if not claim or string.byte(claim) ~= RECORD_SEPARATOR then
    return false
  end
  local header = string.match(string.sub(claim, 1, 65536), '^[^\n]*')
  return string.find(header, ARGV[8], 1, true) ~= nil
end

-- Owners are called HOST.PID.TOKEN/…; several programs of one host die with it together.
local function host_of(name)
  return string.match(name, '^(.*)%.%d+%.%x+/') or string.match(name, '^(.*)/')
end

local function another_runs_alone()
  for _, other in ipairs(redis.call('HKEYS', SETTLED)) do
    local claims_of_other = string.sub(CLAIMS, 1, -#owner - 1) .. other
    if
      other ~= owner
      and host_of(other) == host_of(owner)
      and runs_alone(redis.call('LINDEX', claims_of_other, -1))
    then
      return true
    end
  end
  return false
end

-- A task that is to run alone waits for another such one on the same host.
local function without_crowd(claims)
  if runs_alone(claims[1]) and another_runs_alone() then
    repeat
      delay(ARGV[9], table.remove(claims, 1))
      redis.call('LTRIM', CLAIMS, 0, -2)
    until not runs_alone(claims[1])
  end
  return claims
end

-- A fair share of what waits: no task queues for one worker while another has none.
local function share(moved)
  local waiting = redis.call('LLEN', ARRIVALS) + redis.call('LLEN', QUEUE) + moved
  return math.min(want, math.ceil(waiting / redis.call('HLEN', SETTLED)))
end

put_back(want)
if moves > 0 and redis.call('LLEN', CLAIMS) == moves and put_back(share(moves)) == 0 then
  return moves
end

local claims = {}
local held = redis.call('LRANGE', CLAIMS, 0, -1)
for i = #held, 1, -1 do
  claims[#claims + 1] = held[i]
end
if #without_crowd(claims) > 0 then
  return claims
end

want = share(0)
-- Portions double, so that large entries are noticed before many of them are taken.
local bytes = 0
for _, source in ipairs({ARRIVALS, QUEUE}) do
  while #claims < want and bytes < enough do
    local portion = redis.call('LRANGE', source, -math.min(#claims + 1, want - #claims), -1)
    if #portion == 0 then
      break
    end
    local first = #claims + 1
    for i = #portion, 1, -1 do
      claims[#claims + 1] = portion[i]
      bytes = bytes + #portion[i]
    end
    redis.call('LPUSH', CLAIMS, unpack(claims, first))
    redis.call('LTRIM', source, 0, -#portion - 1)
  end
end
return without_crowd(claims)

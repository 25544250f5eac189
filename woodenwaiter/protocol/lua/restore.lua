-- restore
-- Puts a portion of what is in a trash back: tasks to the front of the queue, the oldest in front of the
-- others; what was delayed until it was due; dead letters as the latest ones. What is left is kept as long
-- as if it were thrown away now.
-- ARGV: see `trash`; how many entries to move, at most; after how many bytes to stop
-- Returns how many were moved, how many are left, and what they are; nil where there is no such trash.
local most, enough = tonumber(ARGV[3]), tonumber(ARGV[4])
local note = redis.call('HMGET', TRASHES, NAME)[1] or ''
local kind = string.match(note, '^%d+ (%l+)')
local NUMBER = {tasks = 'LLEN', delayed = 'ZCARD', letters = 'XLEN'}
if not NUMBER[kind] or redis.call('EXISTS', TRASH) == 0 then
  return false
end

-- Each moves one entry, and returns its bytes; nothing where there is none. What is added is so before it
-- is taken, and that it may be taken is tried out before, as in try_taking.
local MOVE = {}

function MOVE.tasks()
  local entry = redis.call('LMOVE', TRASH, QUEUE, 'LEFT', 'RIGHT')
  if entry then
    count('purged', -1)
    return #entry
  end
end

function MOVE.delayed()
  local entry, due = unpack(redis.call('ZRANGE', TRASH, 0, 0, 'WITHSCORES'))
  if entry then
    if redis.call('ZADD', DELAYED, 'NX', due, entry) == 0 then
      redis.call('LPUSH', QUEUE, entry)
    end
    redis.call('ZREM', TRASH, entry)
    count('purged', -1)
    return #entry
  end
end

function MOVE.letters()
  local letter = redis.call('XRANGE', TRASH, '-', '+', 'COUNT', 1)[1]
  if letter then
    redis.call('XADD', DEAD, '*', unpack(letter[2]))
    redis.call('XDEL', TRASH, letter[1])
    return #table.concat(letter[2])
  end
end

keep_trash()
if kind == 'tasks' then
  put_arrivals_back()
elseif kind == 'delayed' then
  redis.call('ZREM', TRASH, '')
else
  redis.call('XDEL', TRASH, '0-0')
end

local moved, bytes = 0, 0
while moved < most and bytes < enough do
  local size = MOVE[kind]()
  if not size then
    break
  end
  moved, bytes = moved + 1, bytes + size
end
local left = redis.call(NUMBER[kind], TRASH)
if left == 0 then
  redis.call('PEXPIRE', TRASH, 0) -- a stream stays when it is empty; PEXPIRE serves as a DEL
  redis.call('HDEL', TRASHES, NAME)
end
return {moved, left, kind}

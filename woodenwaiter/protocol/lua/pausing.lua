-- pausing
-- Stands, behind the prelude, before the scripts that begin and end pauses.
local RESUMED = KEYS[9]

-- PEXPIRE serves as a DEL, which would take a right more: to delete queues. Each pause has a bell of its
-- own, which is there for a while: nobody comes too late for it, or takes it for another's.
local function end_pause(rings)
  local before, left = redis.call('GET', PAUSED), redis.call('PTTL', PAUSED)
  if before then
    redis.call('PEXPIRE', PAUSED, 0)
    local bell = RESUMED .. (string.match(before, '^%d+') or '')
    redis.call('LPUSH', bell, '')
    redis.call('LTRIM', bell, 0, 0)
    redis.call('PEXPIRE', bell, rings)
  end
  return before, left
end

-- trash
-- Stands, behind the prelude, before the scripts that throw entries away for a while, and get them back.
-- KEYS: the last is the list of the queue's trashes
-- ARGV: a trash's name, for how many ms it is kept
local TRASHES, NAME, KEPT = KEYS[9], ARGV[1], ARGV[2]
local TRASH = TRASHES .. ':' .. NAME

-- Those that are gone leave the list. It is kept as long as what was thrown away last.
local function list_trash(kind, who)
  for _, name in ipairs(redis.call('HKEYS', TRASHES)) do
    if redis.call('EXISTS', TRASHES .. ':' .. name) == 0 then
      redis.call('HDEL', TRASHES, name)
    end
  end
  redis.call('HSETNX', TRASHES, NAME, string.format('%.0f %s %s', now(), kind, who))
  redis.call('PEXPIRE', TRASHES, KEPT)
end

local function keep_trash()
  redis.call('PEXPIRE', TRASHES, KEPT)
  redis.call('PEXPIRE', TRASH, KEPT)
end

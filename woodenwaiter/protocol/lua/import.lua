-- import
-- Adds dead letters that were exported, each once: a list of which are in already is kept for a while, from
-- the last one on.
-- KEYS: the last is that list
-- ARGV: for how many ms; of each letter a name by which it is known again, how many of the arguments that
-- follow are its fields and values, and these
-- Returns how many were added.
local IMPORTS = KEYS[9]
local added, i = 0, 2
while i < #ARGV do
  local name, parts = ARGV[i], tonumber(ARGV[i + 1])
  if redis.call('SISMEMBER', IMPORTS, name) == 0 then
    redis.call('XADD', DEAD, '*', unpack(ARGV, i + 2, i + 1 + parts))
    redis.call('SADD', IMPORTS, name)
    added = added + 1
  end
  i = i + 2 + parts
end
redis.call('PEXPIRE', IMPORTS, ARGV[1])
return added

-- Adds dead letters, each once: what was added is known for a while.
-- KEYS: the last is the set of what was added
-- ARGV: for how many ms that is known; then each letter's mark, of how many fields and values it consists,
-- and these
-- Returns how many were added.
local IMPORTS, added, i = KEYS[9], 0, 2
redis.call('SADD', IMPORTS, '') -- tried out, as in try_taking
redis.call('PEXPIRE', IMPORTS, ARGV[1])
while i <= #ARGV do
  local first, last = i + 2, i + 1 + ARGV[i + 1]
  if redis.call('SISMEMBER', IMPORTS, ARGV[i]) == 0 then
    redis.call('XADD', DEAD, '*', unpack(ARGV, first, last))
    redis.call('SADD', IMPORTS, ARGV[i])
    added = added + 1
  end
  i = last + 1
end
return added

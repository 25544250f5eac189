-- What is in a queue's trashes. Writes nothing, hence stands without the prelude, which does.
-- KEYS: the list of them
-- Returns of each that is there: its name, what was noted of it, how many entries it has, and for how many
-- ms more it is kept, as PTTL does.
local TRASHES = KEYS[1]
local NUMBER = {tasks = 'LLEN', delayed = 'ZCARD', letters = 'XLEN'}
local found = {}
for _, name in ipairs(redis.call('HKEYS', TRASHES)) do
  local trash, note = TRASHES .. ':' .. name, redis.call('HMGET', TRASHES, name)[1]
  local command = NUMBER[string.match(note, '^%d+ (%l+) ')]
  local number = command and redis.pcall(command, trash)
  if type(number) == 'number' and number > 0 then
    found[#found + 1] = {name, note, number, redis.call('PTTL', trash)}
  end
end
return found

-- discard
-- Moves dead letters to a trash, and keeps that for as long as if all were thrown away now.
-- ARGV: see `trash`; who does it; the letters' ids in the stream
-- Returns how many of them were there.
local moved = 0
redis.call('XDEL', DEAD, '0-0') -- tried out, as in try_taking
for i = 4, #ARGV do
  local letter = redis.call('XRANGE', DEAD, ARGV[i], ARGV[i])[1]
  if letter then
    if moved == 0 then
      list_trash('letters', ARGV[3])
    end
    redis.call('XADD', TRASH, '*', unpack(letter[2]))
    keep_trash()
    redis.call('XDEL', DEAD, ARGV[i])
    moved = moved + 1
  end
end
return moved

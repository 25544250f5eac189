-- Puts a dead letter's payload back into the queue, as a producer would.
-- ARGV: the letter's id in the stream
-- Returns 1, or 0 if there is no such letter.
local letter = redis.call('XRANGE', DEAD, ARGV[1], ARGV[1])[1]
if not letter then
  return 0
end
local fields = letter[2]
for i = 1, #fields, 2 do
  if fields[i] == 'payload' then
    redis.call('LPUSH', QUEUE, fields[i + 1])
  end
end
return redis.call('XDEL', DEAD, ARGV[1])

-- Puts a dead letter's payload back into the queue, as a producer would. A letter without one is
-- somebody else's, and stays.
-- ARGV: the letter's id in the stream
-- Returns 1, or 0 if there is no such letter, or nothing in it to put back.
local letter = redis.call('XRANGE', DEAD, ARGV[1], ARGV[1])[1]
if not letter then
  return 0
end
local fields, is_back = letter[2], false
redis.call('XDEL', DEAD, '0-0') -- tried out, as in try_taking
for i = 1, #fields, 2 do
  if fields[i] == 'payload' then
    redis.call('LPUSH', QUEUE, fields[i + 1])
    count('requeued', 1)
    is_back = true
  end
end
return is_back and redis.call('XDEL', DEAD, ARGV[1]) or 0

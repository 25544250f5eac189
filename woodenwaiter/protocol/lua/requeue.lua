-- Puts dead letters' payloads back into the queue, as a producer would, or has them wait for a time among
-- those that are delayed. A letter without one is somebody else's, and stays.
-- ARGV: for how many ms each is to wait; a payload instead of each letter's own, '' for that; then each
-- letter's id in the stream, and the header to stand before its payload
-- Returns how many are back, and the ids of those that have nothing to put back.
local milliseconds, instead, back, left = tonumber(ARGV[1]), ARGV[2], 0, {}

-- Returns whether there was one. What is added is so before it is taken, see below.
local function put_back(fields, header)
  local is_back = false
  for i = 1, #fields, 2 do
    if fields[i] == 'payload' and not (is_back and instead ~= '') then
      local entry = header .. (instead ~= '' and instead or fields[i + 1])
      if milliseconds > 0 then
        delay(milliseconds, entry)
      else
        redis.call('LPUSH', QUEUE, entry)
      end
      count('requeued', 1)
      is_back = true
    end
  end
  return is_back
end

redis.call('XDEL', DEAD, '0-0') -- tried out, as in try_taking
for i = 3, #ARGV, 2 do
  local letter = redis.call('XRANGE', DEAD, ARGV[i], ARGV[i])[1]
  if letter and put_back(letter[2], ARGV[i + 1]) then
    redis.call('XDEL', DEAD, ARGV[i])
    back = back + 1
  elseif letter then
    left[#left + 1] = ARGV[i]
  end
end
return {back, left}

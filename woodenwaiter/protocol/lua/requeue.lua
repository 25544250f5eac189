-- requeue
-- Puts dead letters' payloads back into the queue, as a producer would. A letter without one is somebody
-- else's, and stays.
-- ARGV: for how many ms each is to be delayed, 0: not at all; of each letter its id in the stream, what is
-- to stand before a payload that is delayed, and nothing, or '=' and another payload instead
-- Returns how many letters were put back; and the ids of those that are there, and have no payload.
local milliseconds = tonumber(ARGV[1])
local back, left = 0, {}

local function put(payload, header)
  if milliseconds > 0 then
    delay(milliseconds, header .. payload)
  else
    redis.call('LPUSH', QUEUE, payload)
  end
  count('requeued', 1)
end

redis.call('XDEL', DEAD, '0-0') -- tried out, as in try_taking
for i = 2, #ARGV, 3 do
  local id, header, changed = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local letter = redis.call('XRANGE', DEAD, id, id)[1]
  local fields, is_back = letter and letter[2] or {}, false
  for n = 1, #fields, 2 do
    if fields[n] == 'payload' and not (is_back and changed ~= '') then
      put(changed == '' and fields[n + 1] or string.sub(changed, 2), header)
      is_back = true
    end
  end
  if is_back then
    redis.call('XDEL', DEAD, id)
    back = back + 1
  elseif letter then
    left[#left + 1] = id
  end
end
return {back, left}

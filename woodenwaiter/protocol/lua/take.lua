-- The errands that a host is asked to do leave their list, and are returned, but for those that are too
-- old, too long, or none.
-- KEYS: the host's errands
-- ARGV: how many at once, how many bytes each may have
local errands = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, asked in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  local expiry, errand = string.match(asked, '^(%d+) (.*)$')
  if expiry and tonumber(expiry) > now and #errand <= tonumber(ARGV[2]) then
    errands[#errands + 1] = errand
  end
end
redis.call('LTRIM', KEYS[1], ARGV[1], -1)
return errands

-- What an owner's oldest unsettled claim is, were its claims up to `completed` settled.
-- ARGV: owner, completed
-- Returns how many would be settled, and the claim's entry if there is one; nil for an unknown owner.
local settled = tonumber(redis.call('HGET', SETTLED, ARGV[1]) or nil)
if not settled then
  return false
end
local completed = math.max(settled, tonumber(ARGV[2]))
return {completed, redis.call('LINDEX', CLAIMS, settled - completed - 1)}

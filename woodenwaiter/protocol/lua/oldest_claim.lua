-- What an owner's oldest unsettled claim is, were its claims up to `completed` settled.
-- ARGV: owner, completed, the token that the owner knew, at least
-- Returns how many would be settled, and the claim's entry if there is one; nil for an owner that this
-- server does not know, or not so far.
local settled, last = standing(ARGV[1])
if not settled or last < tonumber(ARGV[3]) then
  return false
end
local completed = math.max(settled, tonumber(ARGV[2]))
return {completed, redis.call('LINDEX', CLAIMS, settled - completed - 1)}

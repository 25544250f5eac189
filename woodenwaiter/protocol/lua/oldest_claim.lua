-- What an owner's oldest unsettled claim is, were its claims up to `completed` settled.
-- ARGV: owner, completed, the token that the owner knew, at least, how many bytes to return
-- Returns how many would be settled, the beginning of the claim's entry if there is one, and whether it
-- is the only claim that is left; nil for an owner that this server does not know, or not so far.
local settled = standing(ARGV[1], ARGV[3])
if not settled then
  return false
end
local completed = math.max(settled, tonumber(ARGV[2]))
local entry = redis.call('LINDEX', CLAIMS, settled - completed - 1)
local is_alone = redis.call('LLEN', CLAIMS) == completed - settled + 1
return {completed, entry and string.sub(entry, 1, ARGV[4]), is_alone and 1 or 0}

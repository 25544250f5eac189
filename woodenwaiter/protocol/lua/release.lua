-- Ends an owner: settles what is done, carries out the verdict on its running claim if there is
-- one, puts the rest back, forgets the owner. Where this server does not know the owner, or not so
-- far (an operator deleted the counts, or the server came back with older data), all its claims go
-- back: what a server has, runs.
-- ARGV: owner, completed, the token that the owner knew, '1' for "only if its lease ran out" or '',
-- then the verdict or nothing
-- Returns how many claims went back; nil if the lease holds.
local owner, completed, known, lapsed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
if lapsed and tonumber(redis.call('ZSCORE', LEASES, owner) or 0) > now() then
  return false
end
local settled, last = standing(owner)
if settled and last >= known and not lapsed then
  settled = settle(owner, settled, completed, last)
end
-- A count that is ahead: the failure is there already.
if settled == completed and last >= known and ARGV[5] and redis.call('LLEN', CLAIMS) > 0 then
  carry_out(unpack(ARGV, 5))
end
local surplus = put_back(0)
redis.call('HDEL', SETTLED, owner)
redis.call('ZREM', LEASES, owner)
return surplus

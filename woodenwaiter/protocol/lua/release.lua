-- Ends an owner: settles what is done, carries out the verdict on its running claim if there is
-- one, puts the rest back, forgets the owner. An unknown owner's claims (an operator deleted the
-- counts, say) all go back.
-- ARGV: owner, completed, '1' for "only if its lease ran out" or '', then the verdict or nothing
-- Returns how many claims went back; nil if the lease holds.
local owner, completed, lapsed = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
if lapsed and tonumber(redis.call('ZSCORE', LEASES, owner) or 0) > now() then
  return false
end
if settle(owner, completed) == completed and ARGV[4] and redis.call('LLEN', CLAIMS) > 0 then
  carry_out(owner, completed + 1, unpack(ARGV, 4))
end
local surplus = put_back(0)
redis.call('HDEL', SETTLED, owner)
redis.call('ZREM', LEASES, owner)
return surplus

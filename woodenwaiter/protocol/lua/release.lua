-- Ends an owner: settles what is done, carries out the verdict on its running claim if there is
-- one, puts the rest back, forgets the owner. Where this server does not know the owner, or not so
-- far (an operator deleted the counts, or the server came back with older data), all its claims go
-- back: what a server has, runs.
-- ARGV: owner, completed, the token that the owner knew, what to mark suspects with ('', '' but where
-- all that is known is that the lease ran out: only then it is ended), then the verdict or nothing
-- Returns how many claims went back; nil if the lease holds.
local owner, completed, before, after = ARGV[1], tonumber(ARGV[2]), ARGV[4], ARGV[5]
local lapsed = before ~= ''
if lapsed and tonumber(redis.call('ZSCORE', LEASES, owner) or 0) > now() then
  return false
end
local settled, last = standing(owner, ARGV[3])
if settled and not lapsed then
  settled = settle(owner, settled, completed, last)
end
-- A count that is ahead: the failure is there already.
if settled == completed and ARGV[6] and redis.call('LLEN', CLAIMS) > 0 then
  carry_out(unpack(ARGV, 6))
  settled = settled + 1
  stand(owner, settled, last)
end

-- Any of them may have taken the host down. What has a header runs alone anyway.
local function put_back_suspects(first)
  local held = redis.call('LLEN', CLAIMS)
  try_taking()
  for number = first + held - 1, first, -1 do
    local claim = redis.call('LINDEX', CLAIMS, 0)
    if string.byte(claim) ~= RECORD_SEPARATOR then
      claim = before .. number .. after .. claim
    end
    redis.call('RPUSH', QUEUE, claim)
    redis.call('LTRIM', CLAIMS, 1, -1)
  end
  return held
end

local surplus = lapsed and put_back_suspects((settled or 0) + 1) or put_back(0)
redis.call('HDEL', SETTLED, owner)
redis.call('ZREM', LEASES, owner)
return surplus

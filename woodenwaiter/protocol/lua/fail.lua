-- Takes the owner's claim number `seq`, which failed, to where the verdict says.
-- ARGV: owner, seq, the token that the owner knows, this request's own, the verdict and what it needs
-- (see carry_out)
-- Returns 1 when done, 0 when it had been done before; nil for an owner that this server does not
-- know, or not so far.
local owner, seq, token = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local settled, last = standing(owner, ARGV[3])
if not settled then
  return false
end
if last >= token then
  return 0
end
local is_new = settled < seq
if is_new then
  settle(owner, settled, seq - 1, last)
  carry_out(unpack(ARGV, 5))
  settled = seq
end
stand(owner, settled, token)
return is_new and 1 or 0

-- Takes the owner's claim number `seq`, which failed, to where the verdict says.
-- ARGV: owner, seq, the verdict and what it needs (see carry_out)
-- Returns 1 when done, 0 when it had been done before, nil for an unknown owner.
local owner, seq = ARGV[1], tonumber(ARGV[2])
local settled = settle(owner, seq - 1)
if not settled then
  return false
end
if settled >= seq then
  return 0
end
carry_out(owner, seq, unpack(ARGV, 3))
return 1

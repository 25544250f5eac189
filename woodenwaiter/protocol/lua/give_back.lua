-- Leaves a slow task as its owner's only claim: those before it are settled, those behind it go
-- back to the queue.
-- Late or repeated, it finds the running one settled, or another token, and does nothing.
-- ARGV: owner, running (the number of its claim), the token that the owner knows
-- Returns how many went back.
local owner, running, known = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local settled, last = standing(owner, known)
if not settled or last ~= known or settled >= running then
  return 0
end
settle(owner, settled, running - 1, last)
return put_back(1)

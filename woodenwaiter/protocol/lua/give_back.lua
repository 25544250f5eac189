-- Leaves a slow task as its owner's only claim: those before it are settled, those behind it go
-- back to the queue.
-- Late or repeated, it finds the running one settled, and does nothing.
-- ARGV: owner, running (the number of its claim)
-- Returns how many went back.
local owner, running = ARGV[1], tonumber(ARGV[2])
local settled = tonumber(redis.call('HGET', SETTLED, owner) or nil)
if not settled or settled >= running then
  return 0
end
settle(owner, running - 1)
return put_back(1)

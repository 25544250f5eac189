-- An errand joins those that a host is asked to do, and is forgotten after some time, by the server's
-- clock. Returns whether there was room for it.
-- KEYS: the host's errands
-- ARGV: the errand, for how many ms it stands, how many may wait
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
redis.call('RPUSH', KEYS[1], string.format('%.0f ', expiry) .. ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1

-- A new owner, whose claims are numbered from `completed` + 1.
-- ARGV: owner, completed, lease in ms, token
redis.call('HSETNX', SETTLED, ARGV[1], ARGV[2] .. ' ' .. ARGV[4])
extend_lease(ARGV[1], ARGV[3])
return 1

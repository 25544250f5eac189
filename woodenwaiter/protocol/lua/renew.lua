-- ARGV: lease in ms, owners…
-- Who has nobody to renew learns, too, whether others can: nobody's lease is taken unless all could.
redis.call('ZREM', LEASES, '')
for i = 2, #ARGV do
  if redis.call('HEXISTS', SETTLED, ARGV[i]) == 1 then
    extend_lease(ARGV[i], ARGV[1])
  end
end
return 1

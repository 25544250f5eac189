-- ARGV: lease in ms, owners…
for i = 2, #ARGV do
  if redis.call('HEXISTS', SETTLED, ARGV[i]) == 1 then
    extend_lease(ARGV[i], ARGV[1])
  end
end
return 1

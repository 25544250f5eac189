-- settle
-- Takes out an entry that waits or is delayed, as it is done elsewhere; of several that are the same one.
-- ARGV: the entry
-- Returns 1, or 0 if it is in none of these places any more.
for _, list in ipairs({ARRIVALS, QUEUE}) do
  if redis.call('LREM', list, -1, ARGV[1]) == 1 then
    count('done', 1)
    return 1
  end
end
if redis.call('ZREM', DELAYED, ARGV[1]) == 1 then
  count('done', 1)
  return 1
end
return 0

-- purge
-- Moves all that waits, or all that is delayed, to a new trash, however much it is.
-- ARGV: see `trash`; which it is, tasks or delayed; who does it
-- Returns how many entries were moved; nil where there is a trash of that name.
local kind, who = ARGV[3], ARGV[4]
if redis.call('EXISTS', TRASH) == 1 then
  return false
end
put_arrivals_back()
local source, number = QUEUE, redis.call('LLEN', QUEUE)
if kind == 'delayed' then
  source, number = DELAYED, redis.call('ZCARD', DELAYED)
end
if number > 0 then
  list_trash(kind, who)
  redis.call('RENAME', source, TRASH)
  keep_trash()
  count('purged', number)
end
return number

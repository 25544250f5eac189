-- Takes a task that nobody has claimed to the dead letters, if it is in this portion of a list, or of what
-- is delayed. Where it has a header, what the letter says follows from that: the task is taken if it has
-- the header from which the sender has made its fields, else the sender is told which it has.
-- ARGV: where it may be (queue, arrivals, delayed); the place from which on to look, from the left of a
-- list, and from what is due last; how many entries to look at, at most, and after how many bytes to stop;
-- with what its entry begins; or else the beginning of the SHA-1 of its payload, of one without a header;
-- the header that is known; then the letter's fields
-- Returns where to go on; how many were looked at; the header, if another one was found; the letter, if
-- the task was taken.
local WHERE, AT, MOST, ENOUGH, BEGINNING, DIGEST, KNOWN = unpack(ARGV)
local LIST = ({queue = QUEUE, arrivals = ARRIVALS})[WHERE]
local AT_ONCE, LARGE = 128, 65536

-- What comes in goes to the left of a list, and what goes first is on the right: of those read from the
-- left none is missed. Likewise, from the last one of a sorted set on.
local function entries(at, number)
  if LIST then
    return redis.call('LRANGE', LIST, at, at + number - 1)
  end
  return redis.call('ZRANGE', DELAYED, at, at + number - 1, 'REV')
end

-- That it may be taken is tried out before, as in try_taking.
local function require_taking()
  if not LIST then
    redis.call('ZREM', DELAYED, '')
  elseif not string.find(redis.pcall('LREM', LIST, '', '').err, 'not an integer', 1, true) then
    redis.call('LREM', LIST, '', '')
  end
end

-- Equal entries are one as good as another: that is taken which is found first from the nearer end.
local function take(entry, at)
  require_taking()
  local fields = {unpack(ARGV, 8)}
  fields[#fields + 1] = 'payload'
  fields[#fields + 1] = string.sub(entry, #header_of(entry) + 1)
  local letter = redis.call('XADD', DEAD, '*', unpack(fields))
  count('buried', 1)
  if LIST then
    redis.call('LREM', LIST, 2 * at < redis.call('LLEN', LIST) and 1 or -1, entry)
  else
    redis.call('ZREM', DELAYED, entry)
  end
  return letter
end

local at, looked, bytes, portion = tonumber(AT), 0, 0, 1
while looked < tonumber(MOST) and bytes < tonumber(ENOUGH) do
  local before, found = bytes, entries(at, portion)
  if #found == 0 then
    break
  end
  for _, entry in ipairs(found) do
    if is_named(entry, BEGINNING, DIGEST) then
      local header = header_of(entry)
      if header ~= KNOWN then
        return {at, looked, header, false}
      end
      return {at, looked, false, take(entry, at)}
    end
    at, looked, bytes = at + 1, looked + 1, bytes + #entry
  end
  portion = bytes - before > LARGE and 1 or math.min(2 * portion, AT_ONCE)
end
return {at, looked, false, false}

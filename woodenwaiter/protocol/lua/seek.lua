-- Looks for an entry by its name in a portion of what a queue holds, from what came last on: what comes or
-- goes meanwhile hides none. Writes nothing, hence stands without the prelude, which does.
-- KEYS: a list or a sorted set
-- ARGV: which it is, list or zset; where to begin; how many entries to look at, at most; after how many
-- bytes to stop; the name: a task's id, or # and the first digits of the SHA-1 of its payload
-- Returns where to go on, nil: there is no more; and the entry, if it was found.
local KEY, KIND, at, NAME = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[5]
local last, enough = at + tonumber(ARGV[3]), tonumber(ARGV[4])
local IS_DIGEST, AT_ONCE = string.sub(NAME, 1, 1) == '#', 128

local function has_name(entry)
  local header = header_of(entry)
  if IS_DIGEST then
    local payload = string.sub(entry, #header + 1)
    return string.sub(redis.sha1hex(payload), 1, #NAME - 1) == string.sub(NAME, 2)
  end
  local is_json, fields = pcall(cjson.decode, string.sub(header, 2, -2))
  return is_json and type(fields) == 'table' and fields.id == NAME
end

local function portion(number)
  if KIND == 'zset' then
    return redis.call('ZRANGE', KEY, at, at + number - 1, 'REV')
  end
  return redis.call('LRANGE', KEY, at, at + number - 1)
end

-- Portions double, so that large entries are noticed before many of them are read.
local number, bytes = 1, 0
while at < last and bytes < enough do
  local entries = portion(math.min(number, last - at))
  if #entries == 0 then
    return {false, false}
  end
  for _, entry in ipairs(entries) do
    if has_name(entry) then
      return {at, entry}
    end
    bytes = bytes + #entry
  end
  at, number = at + #entries, math.min(2 * number, AT_ONCE)
end
return {at, false}

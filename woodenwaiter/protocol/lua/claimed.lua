-- Looks for a task among what one owner has claimed. Writes nothing, hence stands without the prelude.
-- KEYS: how many claims of each owner are settled; the owner's claims
-- ARGV: owner; the number of the claim; or, where that is 0, with what its entry begins; or else, where
-- that is empty, the beginning of the SHA-1 of its payload, of one without a header
-- Returns its number and its header, or nil.
local OWNER, WANTED, BEGINNING, DIGEST, RECORD_SEPARATOR = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], 30
local settled = tonumber(string.match(redis.call('HMGET', KEYS[1], OWNER)[1] or '', '^%d+'))
if not settled then
  return false
end

local function header_of(entry)
  if string.byte(entry) ~= RECORD_SEPARATOR then
    return ''
  end
  return string.sub(entry, 1, string.find(string.sub(entry, 1, 65536), '\n', 1, true) or 0)
end

local function is_wanted(entry, number)
  if WANTED > 0 then
    return number == WANTED
  end
  if BEGINNING ~= '' then
    return string.sub(entry, 1, #BEGINNING) == BEGINNING
  end
  return header_of(entry) == '' and string.sub(redis.sha1hex(entry), 1, #DIGEST) == DIGEST
end

local claims = redis.call('LRANGE', KEYS[2], 0, -1)
for place = #claims, 1, -1 do
  local number = settled + #claims - place + 1
  if is_wanted(claims[place], number) then
    return {number, header_of(claims[place])}
  end
end
return false

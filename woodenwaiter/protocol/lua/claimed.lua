-- Looks for a task among what one owner has claimed. Writes nothing, hence stands without the prelude.
-- KEYS: how many claims of each owner are settled; the owner's claims
-- ARGV: owner; the number of the claim; or, where that is 0, with what its entry begins; or else, where
-- that is empty, the beginning of the SHA-1 of its payload, of one without a header
-- Returns its number and its header, or nil.
local OWNER, WANTED, BEGINNING, DIGEST = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local settled = tonumber(string.match(redis.call('HMGET', KEYS[1], OWNER)[1] or '', '^%d+'))
if not settled then
  return false
end

local function is_wanted(entry, number)
  if WANTED > 0 then
    return number == WANTED
  end
  return is_named(entry, BEGINNING, DIGEST)
end

local claims = redis.call('LRANGE', KEYS[2], 0, -1)
for place = #claims, 1, -1 do
  local number = settled + #claims - place + 1
  if is_wanted(claims[place], number) then
    return {number, header_of(claims[place])}
  end
end
return false

-- Stands before the scripts that look for tasks by their names.
local HEADER_BEGINS = 30 -- the byte

-- What stands before an entry's payload; nothing where it was not delivered before.
local function header_of(entry)
  if string.byte(entry) ~= HEADER_BEGINS then
    return ''
  end
  return string.sub(entry, 1, string.find(string.sub(entry, 1, 65536), '\n', 1, true) or 0)
end

-- Whether an entry begins so; or else, where that is empty, has no header and a payload whose SHA-1 does.
local function is_named(entry, beginning, digits)
  if beginning ~= '' then
    return string.sub(entry, 1, #beginning) == beginning
  end
  return header_of(entry) == '' and string.sub(redis.sha1hex(entry), 1, #digits) == digits
end

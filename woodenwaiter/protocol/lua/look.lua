-- Looks at a portion of what a queue holds, and takes nothing. Writes nothing, hence stands without the
-- prelude, which does. Of large entries, which are not to be sent, the beginning is returned.
-- KEYS: a list, a sorted set, or a stream
-- ARGV: in which order, where to begin (0; of a stream - or +), how many entries to look at, at most,
-- after how many bytes to stop, how many to return, at most, how many bytes of each behind its header, and
-- how many digits of its SHA-1 where it has none; how many fields of a letter (-1: all but its traceback),
-- and which; conditions, of which all are to hold: each a field of letters ('': anywhere), how many texts,
-- and these, of which one is to be in it
-- (Of a field, LONGEST bytes are told.)
-- Returns how many entries there are; how many were looked at, and their bytes; where to go on; the
-- server's time, in ms; and those that were found, each as: its mark (of a sorted set the due time, of a
-- stream the letter), its length in bytes, its beginning; these digits; of a stream, those of its other
-- fields that are asked for.
local KEY, ORDER, at = KEYS[1], ARGV[1], ARGV[2]
local most, enough = tonumber(ARGV[3]), tonumber(ARGV[4])
local wanted, shown, digits = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local AT_ONCE, LARGE, FIELDS, number, LONGEST = 128, 65536, 8, tonumber(ARGV[8]), 1000

local asked = {}
for i = FIELDS + 1, FIELDS + number do
  asked[ARGV[i]] = true
end

local conditions, next_one = {}, FIELDS + 1 + math.max(0, number)
while next_one <= #ARGV do
  local texts = {unpack(ARGV, next_one + 2, next_one + 1 + ARGV[next_one + 1])}
  conditions[#conditions + 1] = {field = ARGV[next_one], texts = texts}
  next_one = next_one + 2 + #texts
end

local function reversed(entries)
  local turned = {}
  for i = #entries, 1, -1 do
    turned[#turned + 1] = {'', entries[i]}
  end
  return turned
end

local function unmarked(entries)
  for i, entry in ipairs(entries) do
    entries[i] = {'', entry}
  end
  return entries
end

local function scored(flat)
  local entries = {}
  for i = 1, #flat, 2 do
    entries[#entries + 1] = {flat[i + 1], flat[i]}
  end
  return entries
end

-- What comes in goes to the left of a list: of those read from there, none is missed. Likewise, from the
-- last one of a sorted set on, as it is the first ones that go.
local READ = {
  next = function(n)
    return reversed(redis.call('LRANGE', KEY, -at - n, -at - 1))
  end,
  newest = function(n)
    return unmarked(redis.call('LRANGE', KEY, at, at + n - 1))
  end,
  soonest = function(n)
    return scored(redis.call('ZRANGE', KEY, at, at + n - 1, 'WITHSCORES'))
  end,
  latest = function(n)
    return scored(redis.call('ZRANGE', KEY, at, at + n - 1, 'REV', 'WITHSCORES'))
  end,
  letters = function(n)
    return redis.call('XRANGE', KEY, at, '+', 'COUNT', n)
  end,
  ['latest letters'] = function(n)
    return redis.call('XREVRANGE', KEY, at, '-', 'COUNT', n)
  end,
}
local IS_STREAM = string.find(ORDER, 'letters', 1, true)
local COUNT = {next = 'LLEN', newest = 'LLEN', soonest = 'ZCARD', latest = 'ZCARD'}

local function has_any(text, texts)
  for _, each in ipairs(texts) do
    if string.find(text, each, 1, true) then
      return true
    end
  end
  return false
end

local function is_asked(field)
  return asked[field] or (number < 0 and field ~= 'traceback')
end

-- The mark, the length and the beginning of an entry, or of a letter's payload, with the other fields.
local function summary(mark, entry)
  if type(entry) == 'string' then
    local header = #header_of(entry)
    local name = header == 0 and string.sub(redis.sha1hex(entry), 1, digits) or ''
    return {mark, #entry, string.sub(entry, 1, header + shown), name}
  end
  local told = {mark, 0, ''}
  for i = 1, #entry, 2 do
    if entry[i] == 'payload' then
      told[2], told[3] = #entry[i + 1], string.sub(entry[i + 1], 1, shown)
    elseif is_asked(entry[i]) then
      told[#told + 1] = string.sub(entry[i], 1, LONGEST)
      told[#told + 1] = string.sub(entry[i + 1], 1, LONGEST)
    end
  end
  return told
end

local function meets(entry, condition)
  if type(entry) == 'string' then
    return has_any(entry, condition.texts)
  end
  for i = 1, #entry, 2 do
    local is_meant = condition.field == '' or condition.field == entry[i]
    if is_meant and has_any(entry[i + 1], condition.texts) then
      return true
    end
  end
  return false
end

local function is_sought(entry)
  for _, condition in ipairs(conditions) do
    if not meets(entry, condition) then
      return false
    end
  end
  return true
end

local function weight(entry)
  if type(entry) == 'string' then
    return #entry
  end
  local bytes = 0
  for i = 2, #entry, 2 do
    bytes = bytes + #entry[i]
  end
  return bytes
end

-- Portions double, so that large entries are noticed before many of them are read.
local looked, bytes, portion, found = 0, 0, 1, {}
while looked < most and bytes < enough and #found < wanted do
  local before, entries = bytes, READ[ORDER](math.min(portion, most - looked))
  if #entries == 0 then
    break
  end
  for _, each in ipairs(entries) do
    looked, bytes = looked + 1, bytes + weight(each[2])
    at = IS_STREAM and '(' .. each[1] or at + 1
    if is_sought(each[2]) then
      found[#found + 1] = summary(each[1], each[2])
    end
    if #found == wanted then
      break
    end
  end
  portion = bytes - before > LARGE and 1 or math.min(2 * portion, AT_ONCE)
end
local time = redis.call('TIME')
return {
  redis.call(IS_STREAM and 'XLEN' or COUNT[ORDER], KEY),
  looked,
  bytes,
  tostring(at),
  time[1] * 1000 + math.floor(time[2] / 1000),
  found,
}

-- Stands before the scripts that count what owners hold.
-- Returns how many entries these owners have claimed; `claims`: with what the keys of claims begin.
local function held_by(owners, claims)
  local held = 0
  for _, owner in ipairs(owners) do
    held = held + redis.call('LLEN', claims .. owner)
  end
  return held
end

-- resume
-- Ends a pause.
-- KEYS: the last is what wakes those who wait, in front of the number of a pause
-- ARGV: for how many ms they are woken
-- Returns what was told of it, nil if none was on, and how long it had left, as PTTL does.
return {end_pause(ARGV[1])}

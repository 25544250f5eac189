-- What a host tells of itself is there for some time from now on, by the server's clock, and with it the
-- list of all that do. It stands without the prelude: nothing of this is a queue's.
-- What a full server takes comes first: then it takes the rest as well, as in the prelude. The document
-- comes last: where some of it is refused, nothing is shown.
-- KEYS: the list, with the time of each document, in ms; the document
-- ARGV: its name in the list, its text, for how many ms it is there
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])

-- Tell what names the data; and name them, when they are new, unless the keys here are a copy for others.
--
-- KEYS  1 their name   2 the keys of such a copy     ARGV  1 the name to give them ("": only tell)
-- Answer: the server's time, their name ("": they have none), 1 where such a copy is.

local time = redis.call('TIME')
local copied = redis.call('EXISTS', KEYS[2])
if ARGV[1] ~= '' and copied == 0 then redis.call('SET', KEYS[1], ARGV[1], 'NX') end
return {time[1], time[2], redis.call('GET', KEYS[1]) or '', copied}

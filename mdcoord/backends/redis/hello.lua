-- Name the data when they are new, unless the keys here are a copy that was made for others.
--
-- KEYS  1 their name   2 the keys of such a copy     ARGV  1 the name to give them
-- Answer: the server's time, their name (nothing: they have none).

local time = redis.call('TIME')
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SET', KEYS[1], ARGV[1], 'NX') end
return {time[1], time[2], redis.call('GET', KEYS[1])}

-- Name the data when they are new.
--
-- KEYS  1 their name     ARGV  1 the name to give them
-- Answer: the server's time, their name.

local time = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {time[1], time[2], redis.call('GET', KEYS[1])}

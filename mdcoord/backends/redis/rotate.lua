-- Move the oldest events of a channel to its archive.
--
-- KEYS  1 the channels   2 the history of this one   3 its archive
-- ARGV  1 the channel   2 how many to keep   3 how many to move at most
-- Answer: the server's time, how many were moved (-1: there is no such channel).

local time = redis.call('TIME')
local gone = away(true)
if gone then return gone end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {time[1], time[2], -1} end
local surplus = redis.call('LLEN', KEYS[2]) - tonumber(ARGV[2])
local moved = math.max(0, math.min(surplus, tonumber(ARGV[3])))
for _ = 1, moved do redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT') end
redis.call('HINCRBY', KEYS[1], ARGV[1], moved)
return {time[1], time[2], moved}

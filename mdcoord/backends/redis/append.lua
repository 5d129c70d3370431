-- Add an event to the end of a channel, and publish it.
--
-- KEYS  1 the channels   2 the history of this one   3 its archive
-- ARGV  1 the channel   2 the event   3 how it begins, when it may be there already, else ""
--       4 how many of the newest to look through for it   5 where it is published
-- Answer: the server's time, the number of the event (from 1), the event as it is stored.

local time = redis.call('TIME')
local total = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') + redis.call('LLEN', KEYS[2])
if ARGV[3] ~= '' then
  local wanted = tonumber(ARGV[4])
  local newest = redis.call('LRANGE', KEYS[2], 0, wanted - 1)
  if #newest < wanted then
    for _, event in ipairs(redis.call('LRANGE', KEYS[3], 0, wanted - #newest - 1)) do
      newest[#newest + 1] = event
    end
  end
  for back, event in ipairs(newest) do
    if string.sub(event, 1, #ARGV[3]) == ARGV[3] then return {time[1], time[2], total - back + 1, event} end
  end
end
local gone = away(true)
if gone then return gone end
redis.call('HSETNX', KEYS[1], ARGV[1], 0)
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return {time[1], time[2], total + 1, ARGV[2]}

-- Read events of a channel in their order. Both lists have the newest first.
--
-- KEYS  1 the channels   2 the history of this one   3 its archive
-- ARGV  1 the channel   2 the number after which to begin ("": before the oldest in the history; negative:
--       so many before the end)   3 how many at most
-- Answer: the server's time, how many events the channel has had (-1: there is no such channel), the number
-- after which the answer begins, the events.

local time = redis.call('TIME')
local gone = away(false)
if gone then return gone end
local archived = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if archived < 0 then return {time[1], time[2], -1, 0, {}} end
local total = archived + redis.call('LLEN', KEYS[2])
local after = tonumber(ARGV[2]) or archived
if after < 0 then after = math.max(archived, total + after) end
local last = math.min(total, after + tonumber(ARGV[3]))
local events = {}

local function add(key, newest, first, final)
  if first > final then return end
  local found = redis.call('LRANGE', key, newest - final, newest - first)
  for number = #found, 1, -1 do events[#events + 1] = found[number] end
end

add(KEYS[3], archived, after + 1, math.min(last, archived))
add(KEYS[2], total, math.max(after, archived) + 1, last)
return {time[1], time[2], total, after, events}

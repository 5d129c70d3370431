-- Change what says that the workspace has moved, if it says what the caller thinks.
--
-- KEYS  1 what says so     ARGV  1 what it is to say now ("": there is nothing)   2 what it is to say then
--       3 milliseconds for which it says that (0: for ever)
-- Answer: the server's time, what it says. A repeated request that was done before changes nothing.

local time = redis.call('TIME')
local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[1] then
  redis.call('DEL', KEYS[1]) -- a full server, too, lets a script go on that has written already
  if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) end
  if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
  now = ARGV[2]
end
return {time[1], time[2], now}

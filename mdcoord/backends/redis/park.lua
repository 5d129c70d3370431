-- Take a task out of the queue, for as long as it cannot be claimed by anybody.
--
-- KEYS  1 the queue   2 where to put it   3 its document   4 the document of the task that it waits for
--       5 the names of documents whose id field is that task's name
-- ARGV  1 its member in the queue   2 the SHA-1 of its text by which this was decided ("": it is not there)
--       3 "time" (wait until 4, seconds since 1970), "task" (wait for the other) or "" (it does not belong)
--       5 what stands before the name of a task in the key of its document
-- Before it stands `away.lua`.
-- Answer: the server's time. When something of it is no longer so, nothing is done.

local gone = away(true)
if gone then return gone end
local time = redis.call('TIME')
local done = {completed = true, complete = true, done = true}
local undone = {failed = true, dead = true, cancelled = true}

local function ended(document)
  local stored = redis.call('HGET', document, 'json')
  local fields = stored and cjson.decode(stored) or {}
  return done[fields.status] or (undone[fields.status] and fields.allow_failure == true)
end

local text = redis.call('HGET', KEYS[3], 'text')
if (text and redis.sha1hex(text) or '') ~= ARGV[2] then return {time[1], time[2]} end
if ARGV[3] == 'task' then
  if ended(KEYS[4]) then return {time[1], time[2]} end
  for _, name in ipairs(redis.call('SMEMBERS', KEYS[5])) do
    if ended(ARGV[5] .. name) then return {time[1], time[2]} end
  end
end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  if ARGV[3] == 'time' then redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1]) end
  if ARGV[3] == 'task' then redis.call('SADD', KEYS[2], ARGV[1]) end
end
return {time[1], time[2]}
